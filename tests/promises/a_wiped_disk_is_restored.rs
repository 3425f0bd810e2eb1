//! With the disk wiped, the shards come back from the changelog.

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;

#[test]
fn a_wiped_disk_is_restored() {
    let deployment = Deployment::new();
    let mut events = hurting(2, 200, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    let before = comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    engine.kill();
    std::fs::remove_dir_all(deployment.store_of("one")).unwrap();

    let engine = deployment.start("one").wait_until_ready();
    assert!(engine.metric("quell_restore_records_total", &[]).unwrap() > 0.0);
    assert!(engine.log().contains("restored"), "{}", engine.log());
    let after = comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert_eq!(before, after, "a restore published something");

    // And it goes on from there.
    let more = hurting(3, 100, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
}
