//! `kill -9` at any moment, twenty times under load, with the disk kept; a read-committed reader sees each effect once.
//! Not tested here: a wiped disk (its own file), several instances at once.

use std::time::Duration;

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{Random, hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

const KILLS: u64 = 20;

#[test]
fn a_kill_loses_nothing_and_repeats_nothing() {
    // A static member comes back without waiting for its ghost's session to end; small epochs make many moments.
    let extra = [("kafka.client", "\"group.instance.id\" = \"one\""), ("engine", "epoch_records_max = 200")];
    let deployment = Deployment::with(quell_testbed::deployment::POLICY, &extra);
    let mut random = Random(7);
    let mut events = Vec::new();
    for round in 0..KILLS {
        let more = hurting(100 + round, 150, 40);
        deployment.produce(records(&deployment, &more));
        events.extend(more);
        let engine = deployment.start("one");
        wait_for("the engine to commit", || {
            engine.metric("quell_epochs_total", &[]).is_some_and(|epochs| epochs >= 2.0).then_some(())
        });
        std::thread::park_timeout(Duration::from_millis(random.below(300)));
        engine.kill();
    }
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.stop().success());
}
