//! While instances run different policies it is said, nothing relaxes, and what one does not know waits until it does.

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

#[test]
fn instances_with_different_policies_wait_for_each_other() {
    let mut deployment = Deployment::new();
    let one = deployment.start("one").wait_until_ready();
    let mut events = hurting(41, 100, 40);
    deployment.produce(records(&deployment, &events));
    comes_to_the_models_state(&deployment, &[&one], &world(&deployment.policy, &events));

    deployment.change_policy(
        &POLICY.replace(r#"systems = ["hiring", "credit"]"#, r#"systems = ["hiring", "credit", "housing"]"#),
    );
    let two = deployment.start("two");
    let owns = |engine: &quell_testbed::instance::Instance| engine.metric("quell_shards_owned", &[]);
    wait_for("the shards to be shared", || (owns(&one)? == 2.0 && owns(&two)? == 2.0).then_some(()));
    let more = hurting(42, 100, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    wait_for("the difference to be noticed", || (one.metric("quell_policy_mismatch", &[])? == 1.0).then_some(()));
    assert!(one.stop().success());

    let one = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
    assert!(one.stop().success());
    assert!(two.stop().success());
}
