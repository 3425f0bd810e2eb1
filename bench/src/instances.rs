//! Instances: what it costs that shards lie on several, and so messages between them go through the graph topic.

use std::fmt::Write as _;
use std::time::Duration;

use quell_testbed::instance::Instance;
use quell_testbed::wait_for;
use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::contestant::Contestant;
use crate::engine::Deployment;
use crate::expectation::Expectation;
use crate::load;
use crate::machine::Reading;
use crate::progress::Progress;
use crate::reader::{Reader, Written};
use crate::topics::PARTITIONS;
use crate::workload::Workload;

const READ: Duration = Duration::from_secs(120);

/// A backlog and so many instances. The final state was the expected one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstancesRun {
    pub instances: u32,
    pub events: usize,
    pub seconds: f64,
    /// Of all instances together.
    pub application_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    /// Through the graph topic.
    pub messages: f64,
}

pub fn run(arena: &Arena, consumers: u32, most: u32) -> Vec<InstancesRun> {
    let workload = Workload::consumers(1, consumers);
    let expectation = Expectation::of(&workload, None);
    (1..=most).map(|count| share(arena, &workload, &expectation, count)).collect()
}

fn share(arena: &Arena, workload: &Workload, expectation: &Expectation, count: u32) -> InstancesRun {
    let (bootstrap, broker, name) = (arena.bootstrap(), arena.broker(), arena.new_name());
    let inputs = arena.new_inputs();
    let deployment = Deployment::new(bootstrap, &inputs, arena.dir(), &name);
    let mut instances: Vec<Instance> = (1..=count).map(|number| deployment.start(number)).collect();
    wait_for("the shards to be shared", || {
        let owned: Option<Vec<f64>> = instances.iter().map(|one| one.metric("quell_shards_owned", &[])).collect();
        let owned = owned?;
        (owned.iter().all(|owned| *owned > 0.0) && owned.iter().sum::<f64>() == f64::from(PARTITIONS)).then_some(())
    });
    // Only now: what one reads alone while the others join would not be shared.
    let processes: Vec<u32> = instances.iter().map(Instance::process).collect();
    let began = Reading::now(&processes, broker);
    load::at_once(bootstrap, &inputs, workload, &workload.events);
    let events = workload.events.len();
    let ended = Progress::of(bootstrap, &name, Some(&deployment.graph()), &inputs, events).finish(|| {
        instances.iter_mut().for_each(Instance::must_run);
        Reading::now(&processes, broker)
    });
    let usage = ended.since(&began);
    let messages = instances.iter().map(|one| one.count("quell_graph_messages_total", &["remote"])).sum();
    let reader = Reader::start(bootstrap, &name, Written::Suppressions);
    let checked = reader.expect(expectation, READ).and_then(|()| reader.seen().check_messages());
    checked.unwrap_or_else(|fault| arena.fail(Contestant::Quell.name(), &fault));
    InstancesRun {
        instances: count,
        events,
        seconds: usage.seconds,
        application_cpu: usage.application,
        broker_cpu: usage.broker,
        others_cpu: usage.others,
        messages,
    }
}

pub fn table(runs: &[InstancesRun]) -> String {
    let mut table =
        "| instances | CPU of all of them, µs per event | CPU of the broker, µs per event | records through the \
                     graph topic per event | cores taken by others, the load among them |\n|---|---|---|---|---|\n"
            .to_owned();
    for run in runs {
        let events = run.events as f64;
        writeln!(
            table,
            "| {} | {:.1} | {:.1} | {:.2} | {:.2} |",
            run.instances,
            run.application_cpu * 1e6 / events,
            run.broker_cpu * 1e6 / events,
            run.messages / events,
            run.others_cpu / run.seconds,
        )
        .unwrap();
    }
    table
}
