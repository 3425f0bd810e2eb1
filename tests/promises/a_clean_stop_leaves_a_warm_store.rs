//! SIGTERM drains, commits and exits 0; the next start reads nothing of the changelog again.

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;

#[test]
fn a_clean_stop_leaves_a_warm_store() {
    let deployment = Deployment::new();
    let events = hurting(4, 100, 30);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    let world = world(&deployment.policy, &events);
    comes_to_the_models_state(&deployment, &[&engine], &world);
    assert_eq!(engine.stop().code(), Some(0));

    let engine = deployment.start("one").wait_until_ready();
    assert_eq!(engine.metric("quell_restore_records_total", &[]), Some(0.0));
    comes_to_the_models_state(&deployment, &[&engine], &world);
}
