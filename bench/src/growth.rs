//! Growth: what an event costs when the store holds a million identifiers, ten or thirty. The stream is one, shuffled, so
//! that at any time an event is about any of the identifiers that are there, or a new one.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::backlog::Backlog;
use crate::contestant::{Contestant, Running};
use crate::machine::Reading;
use crate::reader::Reader;
use crate::workload::{What, Workload};

/// An identifier has about as many events.
const WINDOW_EVENTS: u64 = 1_000_000;
/// Per consumer.
const IDENTIFIERS: f64 = 7.5;

/// The cost of the last million events before the store held so many identifiers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrowthRun {
    pub identifiers: u32,
    pub events: u64,
    pub seconds: f64,
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    /// Of the whole run.
    pub peak_memory_bytes: u64,
    pub disk_bytes: u64,
}

pub fn run(arena: &Arena, millions: &[u32]) -> Vec<GrowthRun> {
    let most = millions.iter().max().unwrap() * 1_000_000;
    let backlog = Backlog::load(arena, Workload::consumers(1, (f64::from(most) / IDENTIFIERS) as u32));
    let (bootstrap, broker) = (arena.bootstrap(), arena.broker());
    let mut running = Running::start(Contestant::Quell, bootstrap, &backlog.inputs, arena.dir(), &arena.new_name());
    let seen = running.work_off(&backlog.inputs, backlog.workload.events.len(), broker);
    let peak_memory_bytes = running.peak_memory();
    let reader = Reader::start(bootstrap, &running.prefix, Contestant::Quell.written());
    let checked = backlog.check(Contestant::Quell.written(), &reader);
    checked.unwrap_or_else(|fault| arena.fail(Contestant::Quell, &fault));
    drop(reader);
    let disk_bytes = running.finish();
    let met = events_until_met(&backlog.workload, millions);
    let window = |(millions, until): (&u32, u64)| {
        let (from, began) = reading_at(&seen, until.saturating_sub(WINDOW_EVENTS));
        let (to, ended) = reading_at(&seen, until);
        let usage = ended.since(&began);
        GrowthRun {
            identifiers: millions * 1_000_000,
            events: to - from,
            seconds: usage.seconds,
            application_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
            peak_memory_bytes,
            disk_bytes,
        }
    };
    millions.iter().zip(met).map(window).collect()
}

/// After how many events so many millions of identifiers have been met; at the latest at the end.
fn events_until_met(workload: &Workload, millions: &[u32]) -> Vec<u64> {
    let mut is_met = vec![false; workload.types.len()];
    let mut until = vec![workload.events.len() as u64; millions.len()];
    let mut met = 0;
    for (place, event) in (1..).zip(&workload.events) {
        let other = if let What::Link { other } = event.what { other } else { event.at };
        for identifier in [event.at, other] {
            met += u32::from(!std::mem::replace(&mut is_met[identifier as usize], true));
        }
        for (millions, until) in millions.iter().zip(&mut until) {
            if met >= millions * 1_000_000 {
                *until = (*until).min(place);
            }
        }
    }
    until
}

/// The first reading with so many events done.
fn reading_at(seen: &[(u64, Reading)], events: u64) -> (u64, Reading) {
    seen[seen.partition_point(|(done, _)| *done < events).min(seen.len() - 1)]
}

pub fn table(runs: &[GrowthRun]) -> String {
    let mut table =
        "| identifiers in the store | events/s | CPU of the engine, µs per event | CPU of the broker, µs per \
                     event | cores taken by others |\n|---|---|---|---|---|\n"
            .to_owned();
    for run in runs {
        let events = run.events as f64;
        writeln!(
            table,
            "| {} | {:.0} | {:.1} | {:.1} | {:.2} |",
            run.identifiers,
            events / run.seconds,
            run.application_cpu * 1e6 / events,
            run.broker_cpu * 1e6 / events,
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
