//! Two instances share the shards, and what crosses them goes through the graph topic; one leaves, and the other takes
//! over. A third comes with an empty disk.

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

#[test]
fn instances_share_the_shards_and_one_leaves() {
    let deployment = Deployment::new();
    let mut events = hurting(5, 150, 40);
    let one = deployment.start("one").wait_until_ready();
    deployment.produce(records(&deployment, &events));
    let two = deployment.start("two");
    let owned = |engine: &quell_testbed::instance::Instance| engine.metric("quell_shards_owned", &[]);
    wait_for("the shards to be shared", || {
        let (one, two) = (owned(&one)?, owned(&two)?);
        (one > 0.0 && two > 0.0 && one + two == 4.0).then_some(())
    });
    let more = hurting(6, 150, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
    let remote = |engine: &quell_testbed::instance::Instance| {
        engine.metric("quell_graph_messages_total", &["scope=\"remote\""]).unwrap()
    };
    assert!(remote(&one) + remote(&two) > 0.0, "nothing crossed the instances");

    let more = hurting(7, 150, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    assert!(one.stop().success());
    let three = deployment.start("three");
    wait_for("the shards to be shared again", || {
        let (two, three) = (owned(&two)?, owned(&three)?);
        (two > 0.0 && three > 0.0 && two + three == 4.0).then_some(())
    });
    let more = hurting(8, 100, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&two, &three], &world(&deployment.policy, &events));
}
