//! Growth: what an event costs when the store holds a million identifiers, ten or thirty. At each size the same kind of
//! events come: half of them about any identifiers that are there, as when people log in again, half about new ones.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::chance::Random;
use crate::contestant::{Contestant, Running};
use crate::expectation::Expectation;
use crate::load;
use crate::machine::Reading;
use crate::reader::{Reader, Written};
use crate::tables::MIB;
use crate::topics::Inputs;
use crate::workload::{Event, Workload};

/// Of either half.
const EVENTS: usize = 500_000;
/// Identifiers per consumer.
const IDENTIFIERS: f64 = 7.5;
/// How long a reader may take for everything.
const READ: Duration = Duration::from_secs(600);

/// What an event cost when the store held so many identifiers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrowthRun {
    pub identifiers: usize,
    pub events: usize,
    pub seconds: f64,
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    /// The most until then.
    pub peak_memory_bytes: u64,
}

/// An engine that is given more and more.
struct Growing<'a> {
    arena: &'a Arena,
    inputs: Inputs,
    running: Running,
    /// What it holds.
    workloads: Vec<Workload>,
    expectation: Expectation,
    /// That were sent.
    events: usize,
}

pub fn run(arena: &Arena, millions: &[u32]) -> Vec<GrowthRun> {
    let inputs = arena.new_inputs();
    let running = Running::start(Contestant::Quell, arena.bootstrap(), &inputs, arena.dir(), &arena.new_name());
    let (workloads, expectation) = (Vec::new(), Expectation::default());
    let mut growing = Growing { arena, inputs, running, workloads, expectation, events: 0 };
    let runs = millions.iter().map(|millions| growing.measure_at(millions * 1_000_000)).collect();
    let reader = Reader::start(arena.bootstrap(), &growing.running.prefix, Written::Suppressions);
    let checked = reader.expect(&growing.expectation, READ).and_then(|()| reader.seen().check_messages());
    checked.unwrap_or_else(|fault| arena.fail(Contestant::Quell.name(), &fault));
    drop(reader);
    growing.running.finish();
    runs
}

impl Growing<'_> {
    fn identifiers(&self) -> usize {
        self.workloads.iter().map(|workload| workload.types.len()).sum()
    }

    fn measure_at(&mut self, identifiers: u32) -> GrowthRun {
        let missing = f64::from(identifiers) - self.identifiers() as f64;
        self.add(Workload::consumers(self.workloads.len() as u64 + 1, (missing / IDENTIFIERS) as u32));
        self.work_off();
        let (identifiers, events) = (self.identifiers(), self.events);
        let began = self.running.reading(self.arena.broker());
        self.repeat_any();
        self.add(Workload::of_events(self.workloads.len() as u64 + 1, EVENTS));
        let usage = self.work_off().since(&began);
        GrowthRun {
            identifiers,
            events: self.events - events,
            seconds: usage.seconds,
            application_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
            peak_memory_bytes: self.running.peak_memory(),
        }
    }

    fn add(&mut self, workload: Workload) {
        load::at_once(self.arena.bootstrap(), &self.inputs, &workload, &workload.events);
        self.expectation.add(Expectation::of(&workload, None));
        self.events += workload.events.len();
        self.workloads.push(workload);
    }

    /// Sends any events that were sent before.
    fn repeat_any(&mut self) {
        let mut random = Random::new(&[self.events as u64]);
        for workload in &self.workloads {
            let share = EVENTS * workload.types.len() / self.identifiers();
            let any = |_| workload.events[random.below(workload.events.len() as u32) as usize];
            let events: Vec<Event> = (0..share).map(any).collect();
            load::at_once(self.arena.bootstrap(), &self.inputs, workload, &events);
            self.events += share;
        }
    }

    fn work_off(&mut self) -> Reading {
        let [_, last] = self.running.work_off(&self.inputs, self.events, self.arena.broker());
        last
    }
}

pub fn table(runs: &[GrowthRun]) -> String {
    let mut table =
        "| identifiers in the store | events/s | CPU of the engine, µs per event | CPU of the broker, µs per \
                     event | peak memory so far, MiB | cores taken by others, the load among them |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for run in runs {
        let events = run.events as f64;
        writeln!(
            table,
            "| {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.2} |",
            run.identifiers,
            events / run.seconds,
            run.application_cpu * 1e6 / events,
            run.broker_cpu * 1e6 / events,
            run.peak_memory_bytes as f64 / MIB,
            run.others_cpu / run.seconds,
        )
        .unwrap();
    }
    table
}

/// What an event costs the engine at the end, as a multiple of what it cost in the beginning.
pub fn last_by_first(runs: &[GrowthRun]) -> f64 {
    let micros = |run: &GrowthRun| run.application_cpu / run.events as f64;
    micros(&runs[runs.len() - 1]) / micros(&runs[0])
}

/// The most memory that it had, at the last size.
pub fn peak_memory_bytes(runs: &[GrowthRun]) -> f64 {
    runs[runs.len() - 1].peak_memory_bytes as f64
}
