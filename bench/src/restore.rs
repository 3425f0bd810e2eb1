//! Restore: how long until an engine that starts again is ready, with the store that it had, and with none.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use quell_testbed::instance::Instance;
use quell_testbed::wait_for;
use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::backlog::Backlog;
use crate::contestant::Contestant;
use crate::engine::Deployment;
use crate::figures::Figure;
use crate::load;
use crate::machine::Reading;
use crate::progress::Progress;
use crate::reader::{Reader, Written};
use crate::workload::Workload;

/// How exactly times are known.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const READ: Duration = Duration::from_secs(120);
/// Of the events that show that what was restored is right: they are linked with nobody before.
const MORE_CONSUMERS: u32 = 2_000;

/// One restart. What came after it was right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreRun {
    pub wiped: bool,
    pub identifiers: usize,
    /// Read from the changelog.
    pub records: f64,
    /// From the start of the process until it owns shards.
    pub assigned_seconds: f64,
    /// From then until all are restored and it is ready.
    pub ready_seconds: f64,
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
}

pub fn run(arena: &Arena, consumers: u32, rounds: u32) -> Vec<RestoreRun> {
    let mut backlog = Backlog::load(arena, Workload::consumers(1, consumers));
    let (bootstrap, broker, name) = (arena.bootstrap(), arena.broker(), arena.new_name());
    let deployment = Deployment::new(bootstrap, &backlog.inputs, arena.dir(), &name);
    let mut events = backlog.workload.events.len();
    let work_off = |instance: &mut Instance, events| {
        Progress::of(bootstrap, &name, Some(&deployment.graph()), &backlog.inputs, events).finish(|| {
            instance.must_run();
            Reading::now(&[instance.process()], broker)
        });
    };
    let mut instance = deployment.start(1);
    work_off(&mut instance, events);
    let reader = Reader::start(bootstrap, &name, Written::Suppressions);
    let mut runs = Vec::new();
    for (seed, wiped) in (2..).zip((0..rounds).flat_map(|_| [false, true])) {
        assert!(instance.stop().success(), "Quell did not end well");
        if wiped {
            std::fs::remove_dir_all(deployment.store(1)).unwrap();
        }
        let began = Instant::now();
        instance = deployment.start(1);
        look(|| instance.metric("quell_shards_owned", &[]).filter(|owned| *owned > 0.0));
        let (assigned, reading) = (Instant::now(), Reading::now(&[instance.process()], broker));
        look(|| instance.is_ready().then_some(()));
        let usage = Reading::now(&[instance.process()], broker).since(&reading);
        runs.push(RestoreRun {
            wiped,
            identifiers: backlog.workload.types.len(),
            records: instance.count("quell_restore_records_total", &[]),
            assigned_seconds: (assigned - began).as_secs_f64(),
            ready_seconds: usage.seconds,
            application_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
        });
        // All choices once more, and others' events: from the right state nothing new comes of the former.
        backlog.workload.events.retain(|event| event.is_choice());
        load::at_once(bootstrap, &backlog.inputs, &backlog.workload, &backlog.workload.events);
        let more = Workload::consumers(seed, MORE_CONSUMERS);
        load::at_once(bootstrap, &backlog.inputs, &more, &more.events);
        backlog.expectation.add(crate::expectation::Expectation::of(&more, None));
        events += backlog.workload.events.len() + more.events.len();
        work_off(&mut instance, events);
        let checked = reader.expect(&backlog.expectation, READ).and_then(|()| reader.seen().check_messages());
        checked.unwrap_or_else(|fault| arena.fail(Contestant::Quell.name(), &fault));
    }
    runs
}

/// Waits for something, looking more often than others do.
pub fn look<T>(mut found: impl FnMut() -> Option<T>) -> T {
    wait_for("the restart", || {
        (0..5).find_map(|_| {
            let found = found();
            if found.is_none() {
                std::thread::sleep(LOOK_AGAIN);
            }
            found
        })
    })
}

fn figure(runs: &[RestoreRun], wiped: bool, value: impl Fn(&RestoreRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.wiped == wiped).map(value))
}

pub fn table(runs: &[RestoreRun]) -> String {
    let mut table =
        "| disk | records read | until it owns shards, s | from then until ready, s | records/s | CPU of the \
                     engine, s | CPU of the broker, s |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, wiped) in [("warm", false), ("wiped", true)] {
        let figure = |value: fn(&RestoreRun) -> f64| figure(runs, wiped, value);
        writeln!(
            table,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            figure(|run| run.records),
            figure(|run| run.assigned_seconds),
            figure(|run| run.ready_seconds),
            figure(records_per_second),
            figure(|run| run.application_cpu),
            figure(|run| run.broker_cpu),
        )
        .unwrap();
    }
    table
}

fn records_per_second(run: &RestoreRun) -> f64 {
    run.records / run.ready_seconds
}

pub fn warm_ready_seconds(runs: &[RestoreRun]) -> f64 {
    figure(runs, false, |run| run.ready_seconds).median
}

pub fn wiped_records_per_second(runs: &[RestoreRun]) -> f64 {
    figure(runs, true, records_per_second).median
}
