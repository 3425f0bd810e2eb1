//! Instances come and go under load, with disks kept and disks empty: the state stays the model's, every version grows,
//! nothing is repeated. What moves is read from where the disk left off; what stays keeps working; a rolling restart of
//! static members moves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{hurting, records, world};
use quell_testbed::instance::{Instance, wait_until_shared};
use quell_testbed::load::Load;
use quell_testbed::outcome::{comes_to_the_models_state, published};
use quell_testbed::wait_for;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// A member that was killed is missed soon, and what it left open is ended soon.
const IMPATIENT: (&str, &str) = (
    "kafka.client",
    "\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"500\"\n\"transaction.timeout.ms\" = \"3000\"",
);

#[test]
fn one_becomes_three_becomes_one() {
    let deployment = Arc::new(Deployment::with(POLICY, &[IMPATIENT]));
    let load = Load::start(&deployment, 21, 500);
    let one = deployment.start("one").wait_until_ready();
    let (two, three) = (deployment.start("two"), deployment.start("three"));
    wait_until_shared(&[&one, &two, &three]);
    let worked = |engine: &Instance, events: f64| {
        wait_for("the engine to take events", || {
            (engine.metric("quell_events_total", &["accepted"])? >= events).then_some(())
        });
    };
    [&one, &two, &three].into_iter().for_each(|engine| worked(engine, 100.0));

    // One goes in order and keeps its disk, the other dies and loses it; both come back.
    assert!(two.stop().success());
    wait_until_shared(&[&one, &three]);
    three.kill();
    std::fs::remove_dir_all(deployment.store_of("three")).unwrap();
    let two = deployment.start("two");
    wait_until_shared(&[&one, &two]);
    let three = deployment.start("three");
    wait_until_shared(&[&one, &two, &three]);
    [&two, &three].into_iter().for_each(|engine| worked(engine, 100.0));

    // And the one that stays is not the one that was first.
    one.kill();
    assert!(two.stop().success());
    wait_until_shared(&[&three]);
    let events = load.finish();
    comes_to_the_models_state(&deployment, &[&three], &world(&deployment.policy, &events));
}

#[test]
fn a_warm_hand_over_reads_only_the_tail() {
    let deployment = Deployment::new();
    let mut events = hurting(22, 300, 40);
    deployment.produce(records(&deployment, &events));
    let one = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&one], &world(&deployment.policy, &events));
    let changelog = || deployment.read(&deployment.topics().changelog).len();
    let before = changelog();
    assert_eq!(one.count("quell_restore_records_total", &[]), 0.0);

    // The new one has nothing on its disk, and reads all of its shards.
    let two = deployment.start("two");
    wait_until_shared(&[&one, &two]);
    assert!(two.count("quell_restore_records_total", &[]) > before as f64 / 10.0);
    let more = hurting(23, 5, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&one, &two], &world(&deployment.policy, &events));
    // Those that stayed may have read what they had computed and not committed when the group changed.
    let restored_before = one.count("quell_restore_records_total", &[]);

    // The old one still has the rows of those that it gave away, up to when it did.
    assert!(two.stop().success());
    wait_until_shared(&[&one]);
    comes_to_the_models_state(&deployment, &[&one], &world(&deployment.policy, &events));
    let (read, tail) = (one.count("quell_restore_records_total", &[]) - restored_before, changelog() - before);
    assert!(read > 0.0 && read <= tail as f64, "read {read} records where {tail} of {} were new", before + tail);
    assert!(tail < before / 5, "{tail} of {} records are hardly a tail", before + tail);
}

#[test]
fn a_rolling_restart_of_static_members_moves_no_shard() {
    let client = "\"group.instance.id\" = \"INSTANCE\"\n\"session.timeout.ms\" = \"45000\"";
    let deployment = Arc::new(Deployment::with(POLICY, &[("kafka.client", client)]));
    let load = Load::start(&deployment, 24, 300);
    let names = ["one", "two", "three"];
    let mut engines: Vec<Option<Instance>> = names.iter().map(|name| Some(deployment.start(name))).collect();
    wait_until_shared(&engines.iter().flatten().collect::<Vec<_>>());
    let stands = |engine: &Instance| {
        ["quell_shards_owned", "quell_rebalances_total", "quell_restore_records_total"]
            .map(|metric| engine.count(metric, &[]))
    };
    for (at, name) in names.iter().enumerate() {
        let owned = engines[at].as_ref().unwrap().count("quell_shards_owned", &[]);
        let others = |engines: &[Option<Instance>]| -> Vec<[f64; 3]> { engines.iter().flatten().map(stands).collect() };
        let engine = engines[at].take().unwrap();
        let before = others(&engines);
        assert!(engine.stop().success());
        let engine = deployment.start(name).wait_until_ready();
        wait_for("it to come back to its shards", || {
            (engine.metric("quell_shards_owned", &[]) == Some(owned)).then_some(())
        });
        let epochs = engine.count("quell_epochs_total", &[]);
        wait_for("the engine to commit again", || {
            (engine.metric("quell_epochs_total", &[])? > epochs + 3.0).then_some(())
        });
        assert_eq!(others(&engines), before, "a restart of {name} was felt by others");
        engines[at] = Some(engine);
    }
    let events = load.finish();
    let engines: Vec<&Instance> = engines.iter().flatten().collect();
    comes_to_the_models_state(&deployment, &engines, &world(&deployment.policy, &events));
}

#[test]
fn shards_that_stay_keep_working_while_another_moves() {
    let deployment = Deployment::new();
    // Somebody else's open transaction on one changelog keeps its shard from being restored.
    let stranger: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &quell_testbed::broker::broker().bootstrap)
        .set("transactional.id", format!("{}-stranger", deployment.prefix))
        .set("transaction.timeout.ms", "300000")
        .create()
        .unwrap();
    stranger.init_transactions(quell_testbed::DEADLINE).unwrap();
    stranger.begin_transaction().unwrap();
    stranger
        .send(BaseRecord::to(&deployment.topics().changelog).partition(0).key("never").payload("committed"))
        .map_err(|(error, _)| error)
        .unwrap();
    stranger.flush(quell_testbed::DEADLINE).unwrap();

    let events = hurting(25, 50, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one");
    wait_for("the other shards to publish", || (published(&deployment).messages > 500).then_some(()));
    assert_eq!(engine.count("quell_shards_restoring", &[]), 1.0);
    let states: Vec<f64> =
        (0..4).map(|shard| engine.count("quell_shard_state", &[&format!("shard=\"{shard}\"")])).collect();
    assert_eq!(states, [2.0, 3.0, 3.0, 3.0], "what is restored, and what is active");
    let (status, waiting_for) = engine.get("/health/ready").unwrap();
    assert_eq!((status, waiting_for.trim_end()), (503, "waiting for shard 0 to be restored"));
    let shards: BTreeSet<u32> = published(&deployment)
        .last
        .keys()
        .map(|(_, identifier)| identifier.shard(quell_domain::ShardCount::new(4).unwrap()).0)
        .collect();
    assert_eq!(shards, BTreeSet::from([1, 2, 3]), "only the shards that are active may publish");

    // What was for the one that moves has waited for it.
    stranger.abort_transaction(Duration::from_secs(30)).unwrap();
    let engine = engine.wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
}
