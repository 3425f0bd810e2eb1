//! With `engine.standby_replicas`, whoever takes a dead instance's shards over has their rows already, and reads only what
//! was written last.

use std::sync::Arc;
use std::time::Instant;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{hurting, records, world};
use quell_testbed::instance::{Instance, wait_until_shared};
use quell_testbed::load::Load;
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

/// How `quell_shard_state` says that a warm copy is kept.
const STANDBY: f64 = 1.0;

fn stands(engine: &Instance, shard: u32) -> Option<f64> {
    engine.metric("quell_shard_state", &[&format!("shard=\"{shard}\"")])
}

#[test]
fn a_warm_copy_takes_over() {
    let client =
        "\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"500\"\n\"transaction.timeout.ms\" = \"3000\"";
    let options = [("kafka.client", client), ("engine", "standby_replicas = 1")];
    let deployment = Arc::new(Deployment::with(POLICY, &options));
    let mut events = hurting(81, 300, 40);
    deployment.produce(records(&deployment, &events));
    let (one, two) = (deployment.start("one"), deployment.start("two"));
    wait_until_shared(&[&one, &two]);
    let load = Load::start(&deployment, 82, 300);
    wait_for("each to keep warm copies of the other's shards", || {
        let kept = |engine| (0..4).filter(|shard| stands(engine, *shard) == Some(STANDBY)).count();
        (kept(&one) == 2 && kept(&two) == 2).then_some(())
    });
    let changelog = || deployment.read(&deployment.topics().changelog).len() as f64;
    wait_for("the copies to be warm", || {
        let read = two.metric("quell_restore_records_total", &[])?;
        (read > changelog() / 4.0).then_some(())
    });

    one.kill();
    let read_before = two.count("quell_restore_records_total", &[]);
    let killed = Instant::now();
    wait_for("the shards to be given away", || (two.metric("quell_shards_owned", &[])? == 4.0).then_some(()));
    let given = Instant::now();
    wait_until_shared(&[&two]);
    let read = two.count("quell_restore_records_total", &[]) - read_before;
    println!(
        "given away {:.1} s after the kill, active {:.1} s later, {read} of {} records read",
        (given - killed).as_secs_f64(),
        given.elapsed().as_secs_f64(),
        changelog()
    );
    // The tail of its own shards, too: the change of the group has thrown its last epoch away.
    assert!(read < changelog() / 4.0, "read {read} of {} records", changelog());

    events.extend(load.finish());
    comes_to_the_models_state(&deployment, &[&two], &world(&deployment.policy, &events));

    // And a copy is kept of what is given back.
    let one = deployment.start("one");
    wait_until_shared(&[&one, &two]);
    wait_for("copies of what was given back", || {
        let kept = |engine| (0..4).filter(|shard| stands(engine, *shard) == Some(STANDBY)).count();
        (kept(&one) == 2 && kept(&two) == 2).then_some(())
    });
    let more = hurting(83, 20, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
}
