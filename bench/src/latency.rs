//! Latency: from the sending of the event that was missing to a `read_committed` reader, while events come at a pace.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::backlog::Backlog;
use crate::contestant::{Contestant, Running};
use crate::expectation::Expectation;
use crate::figures::quantile;
use crate::load::paced;
use crate::reader::{Reader, Written, name_of_key};
use crate::workload::Workload;

/// How long the last suppressions may take once all events are sent.
const SETTLE: Duration = Duration::from_secs(60);

/// How events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Pace {
    /// A mix of links and choices, so many a second.
    Steady { per_second: u32, seconds: u32 },
    /// One opt-out at a time, with nothing else to do.
    Idle { opt_outs: u32 },
}

/// Of the idle pace: far apart against any latency that is aimed at.
const IDLE_PER_SECOND: u32 = 8;

impl Pace {
    pub fn per_second(self) -> u32 {
        match self {
            Self::Steady { per_second, .. } => per_second,
            Self::Idle { .. } => IDLE_PER_SECOND,
        }
    }

    pub fn name(self) -> String {
        match self {
            Self::Steady { per_second, .. } => format!("{per_second} events/s"),
            Self::Idle { .. } => "idle, one opt-out at a time".to_owned(),
        }
    }

    pub fn workload(self, seed: u64) -> Workload {
        match self {
            Self::Steady { per_second, seconds } => Workload::of_events(seed, (per_second * seconds) as usize),
            Self::Idle { opt_outs } => Workload::lone_opt_outs(seed, opt_outs),
        }
    }
}

/// One contestant at one pace. Its final state was the expected one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyRun {
    pub contestant: Contestant,
    pub pace: Pace,
    pub suppressions: usize,
    pub p50_millis: f64,
    pub p99_millis: f64,
    pub p999_millis: f64,
    pub events: usize,
    pub seconds: f64,
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    /// How far the events fell behind their pace at worst.
    pub late_millis: f64,
}

/// A contestant that has worked off a backlog, so that it has state and is warm, and is read live.
struct Session<'a> {
    arena: &'a Arena,
    contestant: Contestant,
    backlog: Backlog,
    running: Running,
    reader: Reader,
    /// Choices that were sent.
    choices: u64,
}

/// Takes one contestant through all paces, one after the other.
pub fn run(arena: &Arena, contestant: Contestant, backlog: Workload, paces: &[Pace]) -> Vec<LatencyRun> {
    let mut session = Session::begin(arena, contestant, backlog);
    let runs = (2..).zip(paces).map(|(seed, pace)| session.pace(*pace, seed)).collect();
    drop(session.reader);
    session.running.finish();
    runs
}

impl<'a> Session<'a> {
    fn begin(arena: &'a Arena, contestant: Contestant, backlog: Workload) -> Self {
        let backlog = Backlog::load(arena, backlog);
        let (bootstrap, broker) = (arena.bootstrap(), arena.broker());
        let mut running = Running::start(contestant, bootstrap, &backlog.inputs, arena.dir(), &arena.new_name());
        running.work_off(&backlog.inputs, backlog.workload.events.len(), broker);
        let reader = Reader::start(bootstrap, &running.prefix, contestant.written());
        let choices = backlog.workload.choices() as u64;
        let session = Self { arena, contestant, backlog, running, reader, choices };
        session.check();
        session
    }

    fn pace(&mut self, pace: Pace, seed: u64) -> LatencyRun {
        let workload = pace.workload(seed);
        let began = self.running.reading(self.arena.broker());
        let sent = paced(self.arena.bootstrap(), &self.backlog.inputs, &workload, pace.per_second());
        let usage = self.running.reading(self.arena.broker()).since(&began);
        let expected = Expectation::of(&workload, Some(&sent.at));
        let caused_at = match self.contestant.written() {
            Written::Suppressions => expected.caused_at.clone(),
            Written::Keys => sent.keys.iter().zip(&sent.at).map(|(key, at)| (name_of_key(*key), [*at; 2])).collect(),
        };
        self.backlog.expectation.add(expected);
        self.choices += workload.choices() as u64;
        self.check();
        let mut micros = self.reader.seen().latencies(&caused_at);
        micros.sort_unstable();
        let millis = |share| quantile(&micros, share) as f64 / 1000.0;
        LatencyRun {
            contestant: self.contestant,
            pace,
            suppressions: micros.len(),
            p50_millis: millis(0.5),
            p99_millis: millis(0.99),
            p999_millis: millis(0.999),
            events: workload.events.len(),
            seconds: usage.seconds,
            application_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
            late_millis: sent.latest.as_secs_f64() * 1000.0,
        }
    }

    fn check(&self) {
        let state = match self.contestant.written() {
            Written::Suppressions => self.reader.expect(&self.backlog.expectation, SETTLE),
            Written::Keys => self.reader.expect_messages(3 * self.choices, SETTLE),
        };
        let checked = state.and_then(|()| self.reader.seen().check_messages());
        checked.unwrap_or_else(|fault| self.arena.fail(self.contestant.name(), &fault));
    }
}
