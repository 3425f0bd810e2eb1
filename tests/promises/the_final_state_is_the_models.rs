//! The final state is a function of the set of accepted events: links, unlinks, ties, hubs, opt-ins between opt-outs,
//! both joins, repeats, two encodings, several partitions.

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;

/// How many clusters of identifiers, of 40 events each: `QUELL_CLUSTERS=26000` makes a million events.
fn clusters() -> u64 {
    std::env::var("QUELL_CLUSTERS").map_or(400, |number| number.parse().unwrap())
}

#[test]
fn the_final_state_is_the_models() {
    let deployment = Deployment::new();
    let events = hurting(1, clusters(), 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    let world = world(&deployment.policy, &events);
    let messages = comes_to_the_models_state(&deployment, &[&engine], &world);

    // The same events once more, in another order: nothing changes, nothing is published.
    let again: Vec<_> = events.iter().rev().cloned().collect();
    let before = engine.metric("quell_events_total", &[]).unwrap();
    deployment.produce(records(&deployment, &again));
    quell_testbed::wait_for("the repeats to be taken", || {
        (engine.metric("quell_events_total", &[]).unwrap() >= before + again.len() as f64).then_some(())
    });
    assert_eq!(comes_to_the_models_state(&deployment, &[&engine], &world), messages);
    assert!(engine.stop().success());
}
