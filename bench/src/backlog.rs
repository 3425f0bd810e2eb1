//! Throughput and cost: a backlog, and how long and how much of the machine each takes to work it off.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::contestant::{Contestant, Running};
use crate::expectation::Expectation;
use crate::reader::{Reader, Written};
use crate::topics::Inputs;
use crate::workload::Workload;

/// How long a reader may take for all suppressions once they are committed.
const READ: Duration = Duration::from_secs(120);

const WARM_UP_CONSUMERS: u32 = 60_000;
const WARM_UP_RUNS: u32 = 2;

/// One run of one contestant. Its final state was the expected one, or there would be none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BacklogRun {
    pub contestant: Contestant,
    pub events: usize,
    /// From the first event to the last commit.
    pub seconds: f64,
    /// CPU of the processes over that time, in seconds.
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    pub peak_memory_bytes: u64,
    /// After its end, where it has any.
    pub disk_bytes: u64,
    pub identifiers: usize,
}

impl BacklogRun {
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub fn application_micros(&self) -> f64 {
        self.application_cpu * 1e6 / self.events as f64
    }

    pub fn broker_micros(&self) -> f64 {
        self.broker_cpu * 1e6 / self.events as f64
    }

    /// Cores that everybody else had.
    pub fn others_cores(&self) -> f64 {
        self.others_cpu / self.seconds
    }

    pub fn disk_per_identifier(&self) -> f64 {
        self.disk_bytes as f64 / self.identifiers as f64
    }
}

/// A broker that just began is several times slower, whoever is first.
pub fn warm_up(arena: &Arena) {
    let backlog = Backlog::load(arena, Workload::consumers(1, WARM_UP_CONSUMERS));
    for _ in 0..WARM_UP_RUNS {
        backlog.run(arena, Contestant::Limit);
    }
}

/// A backlog that lies on the input topics, and the state that it demands.
pub struct Backlog {
    pub workload: Workload,
    pub inputs: Inputs,
    pub expectation: Expectation,
}

impl Backlog {
    pub fn load(arena: &Arena, workload: Workload) -> Self {
        let inputs = arena.new_inputs();
        crate::load::at_once(arena.bootstrap(), &inputs, &workload, &workload.events);
        let expectation = Expectation::of(&workload, None);
        Self { workload, inputs, expectation }
    }

    /// Has one contestant work it off.
    pub fn run(&self, arena: &Arena, contestant: Contestant) -> BacklogRun {
        let events = self.workload.events.len();
        let (bootstrap, broker) = (arena.bootstrap(), arena.broker());
        let mut running = Running::start(contestant, bootstrap, &self.inputs, arena.dir(), &arena.new_name());
        let [first, last] = running.work_off(&self.inputs, events, broker);
        let usage = last.since(&first);
        let peak_memory_bytes = running.peak_memory();
        let reader = Reader::start(bootstrap, &running.prefix, contestant.written());
        self.check(contestant.written(), &reader).unwrap_or_else(|fault| arena.fail(contestant.name(), &fault));
        drop(reader);
        BacklogRun {
            contestant,
            events,
            seconds: usage.seconds,
            application_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
            peak_memory_bytes,
            disk_bytes: running.finish(),
            identifiers: self.workload.types.len(),
        }
    }

    /// Has Quell work it off while perf samples it. Stacks are unwound by the debug information, since the libraries in C++
    /// keep no frame pointers.
    pub fn profile(&self, arena: &Arena, file: &Path) {
        let bootstrap = arena.bootstrap();
        let mut running = Running::start(Contestant::Quell, bootstrap, &self.inputs, arena.dir(), &arena.new_name());
        // Before, threads begin and end, and perf gives up when one is gone that it was about to sample.
        running.wait_for_first_event();
        let mut perf = Command::new("perf")
            .args(["record", "--quiet", "--freq", "199", "--call-graph", "dwarf,16384", "--pid"])
            .arg(running.process().to_string())
            .arg("--output")
            .arg(file)
            .spawn()
            .unwrap();
        running.work_off(&self.inputs, self.workload.events.len(), arena.broker());
        // It ends with whom it samples.
        running.finish();
        assert!(perf.wait().unwrap().success(), "perf did not end well");
    }

    /// What a reader has must be the final state: for the limit, three records for each choice.
    pub fn check(&self, written: Written, reader: &Reader) -> Result<(), String> {
        match written {
            Written::Suppressions => reader.expect(&self.expectation, READ)?,
            Written::Keys => reader.expect_messages(3 * self.workload.choices() as u64, READ)?,
        }
        reader.seen().check_messages()
    }
}
