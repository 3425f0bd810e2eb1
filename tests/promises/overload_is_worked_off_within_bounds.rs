//! Input at several times of what an engine can do: its memory stays within what the operator was told, lag grows and
//! then shrinks, nothing is dropped. With the graph topic behind, the inputs wait first.

use std::sync::Arc;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{hurting, records, world};
use quell_testbed::instance::wait_until_shared;
use quell_testbed::load::Load;
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

const STORE_MEMORY: u64 = 64 << 20;

/// What docs/operations.md tells the operator to add to `store.memory`.
const BESIDE_STORE: u64 = 768 << 20;

/// Several times as many records of the graph topic as may wait before the inputs do: half of these are the markers of
/// transactions, and some have been read before they are counted.
const MANY_MESSAGES: i64 = 800;

#[test]
fn overload_is_worked_off_within_bounds() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    let mut lag = Vec::new();
    let mut look = || lag.push(engine.metric("quell_consumer_lag_records", &[]).unwrap_or(0.0));
    let mut events = Vec::new();
    for seed in 0..10 {
        let burst = hurting(61 + seed, 600, 40);
        deployment.produce(records(&deployment, &burst));
        events.extend(burst);
        look();
    }
    wait_for("the overload to be worked off", || {
        look();
        let taken = engine.metric("quell_events_total", &["accepted"])?;
        (taken >= events.len() as f64 && engine.is_at_rest()).then_some(())
    });
    assert_eq!(engine.count("quell_events_total", &[]), events.len() as f64);
    let most = lag.iter().copied().fold(0.0, f64::max);
    assert!(most > events.len() as f64 / 20.0, "it was no overload: at most {most} of {} waited", events.len());
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    if let Some(peak) = engine.peak_memory() {
        println!("at most {most} of {} events waited, {} MiB of memory", events.len(), peak >> 20);
        assert!(peak < STORE_MEMORY + BESIDE_STORE, "{} MiB", peak >> 20);
    }
}

#[test]
fn inputs_wait_while_the_graph_topic_is_behind() {
    // The one that stands still does so for less than its session and its transaction last, however slow the machine: its
    // shards stay its own.
    let client = "\"session.timeout.ms\" = \"240000\"\n\"transaction.timeout.ms\" = \"240000\"";
    let deployment =
        Arc::new(Deployment::with(POLICY, &[("kafka.client", client), ("engine", "epoch_records_max = 200")]));
    let (one, two) = (deployment.start("one"), deployment.start("two"));
    wait_until_shared(&[&one, &two]);
    let load = Load::start(&deployment, 71, 3_000);
    let paused =
        |engine: &quell_testbed::instance::Instance| engine.metric("quell_input_pauses_total", &["graph_behind"]);
    two.freeze();
    let graph = &deployment.topics().graph;
    let before = deployment.written_to(graph);
    wait_for("messages for the one that stands still", || {
        (deployment.written_to(graph) - before > MANY_MESSAGES).then_some(())
    });
    two.thaw();
    wait_for("the inputs to be paused", || (paused(&two)? > 0.0).then_some(()));
    let events = load.finish();
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
    assert_eq!(two.metric("quell_rebalances_total", &["lost"]), Some(0.0), "it was to keep its shards");
}
