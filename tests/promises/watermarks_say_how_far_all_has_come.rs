//! `quell.watermarks`: what was in the inputs at `complete_through` is in the suppressions, with several instances that
//! share the graph and after one of them is killed; and it goes on when nothing happens, at least once a second.

use std::collections::BTreeMap;
use std::sync::Arc;

use quell_domain::DownstreamNumber;
use quell_model::final_state;
use quell_testbed::deployment::Deployment;
use quell_testbed::events::world;
use quell_testbed::instance::wait_until_shared;
use quell_testbed::load::Load;
use quell_testbed::outcome::read_published;
use quell_testbed::{now_millis, wait_for};
use quell_wire::Decoder;

/// What all shards have come to; none while one has said nothing.
fn complete_through(deployment: &Deployment) -> Option<i64> {
    let decoder = Decoder::new(None);
    let mut by_shard: BTreeMap<i32, i64> = BTreeMap::new();
    let mut shards = 0;
    for record in deployment.try_read(&deployment.topics().watermarks).ok()? {
        let said = decoder.watermark(record.value.as_deref()).unwrap();
        assert_eq!(record.key.unwrap(), said.shard.to_string().into_bytes());
        let known = by_shard.entry(said.shard).or_default();
        *known = said.complete_through.max(*known);
        shards = said.shards;
    }
    let all = usize::try_from(shards).is_ok_and(|shards| shards > 0 && by_shard.len() == shards);
    by_shard.into_values().min().filter(|through| all && *through > 0)
}

/// Waits until all that was written before now is said to be through.
fn wait_until_complete(deployment: &Deployment) {
    let now = now_millis();
    wait_for("a watermark of now", || complete_through(deployment).filter(|through| *through > now));
}

#[test]
fn watermarks_say_how_far_all_has_come() {
    let deployment = Arc::new(Deployment::new());
    let one = deployment.start("one");
    let two = deployment.start("two");
    wait_until_shared(&[&one, &two]);
    let load = Load::start(&deployment, 91, 1_500);
    // While events come in, and messages travel between the two.
    let first = wait_for("a watermark", || complete_through(&deployment));
    wait_for("the next ones", || complete_through(&deployment).filter(|through| *through > first + 3_000));
    two.kill();
    wait_until_complete(&deployment);
    let events = load.finish();
    wait_until_complete(&deployment);
    // Brokers mark each partition of a committed transaction on its own, so a watermark may be read before what it is
    // about: readers go as far as the topic went when they read it.
    let topics = &deployment.topics().suppressions;
    let is_decided = || topics.iter().all(|topic| deployment.undecided(topic).is_empty()).then_some(());
    wait_for("what was written to be decided", is_decided);

    // Nothing more is waited for: whoever is opted out is said to be.
    let published = read_published(&deployment);
    let world = world(&deployment.policy, &events);
    let state = final_state(&deployment.policy, &world);
    let mut opted_out = 0;
    for (identifier, right) in state.opted_out() {
        let kind = deployment.policy.type_number(&identifier).unwrap();
        for (number, downstream) in (0..).map(DownstreamNumber).zip(deployment.policy.downstreams()) {
            if downstream.takes(kind) && downstream.rights.contains(right) {
                let last = published.last.get(&(number, identifier.clone()));
                let said = last.and_then(|last| last.rights.get(deployment.policy.right_name(right)));
                assert!(said.is_some_and(|said| said.opted_out), "{identifier} for {}: {said:?}", downstream.name);
                opted_out += 1;
            }
        }
    }
    assert!(opted_out > 100, "{opted_out} alone");
    wait_until_complete(&deployment);
    let complete = complete_through(&deployment).unwrap() / 1_000;
    wait_for("the metric to say so", || {
        let through = one.metric("quell_complete_through_timestamp_seconds", &[])?;
        (through >= complete as f64).then_some(())
    });
}

/// How many watermarks of each shard are looked at.
const IDLE_WATERMARKS: usize = 10;

/// When each shard has said something, in order, since a time.
fn said_since(deployment: &Deployment, since: i64) -> Option<BTreeMap<i32, Vec<i64>>> {
    let decoder = Decoder::new(None);
    let mut by_shard: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for record in deployment.try_read(&deployment.topics().watermarks).ok()? {
        let said = decoder.watermark(record.value.as_deref()).unwrap();
        if said.observed_at >= since {
            by_shard.entry(said.shard).or_default().push(said.observed_at);
        }
    }
    Some(by_shard)
}

#[test]
fn watermarks_come_at_least_once_a_second_when_idle() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    wait_until_shared(&[&engine]);
    let since = now_millis();
    let said = wait_for("watermarks of an idle engine", || {
        let said = said_since(&deployment, since)?;
        (said.len() == 4 && said.values().all(|times| times.len() >= IDLE_WATERMARKS)).then_some(said)
    });
    for (shard, times) in said {
        // The middle one: a machine that stands still for a moment delays one.
        let mut gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        assert!(gaps[gaps.len() / 2] <= 1_000, "shard {shard}: {gaps:?}");
    }
    assert!(engine.stop().success());
}
