//! An instance that stood still past its session's end, while others took its shards, cannot commit when it goes on. It
//! notices, drops what it had computed, and rejoins without a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::world;
use quell_testbed::instance::{Instance, wait_until_shared};
use quell_testbed::load::Load;
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;

const ROUNDS: usize = 4;

/// How long a transaction must have been open to be that of an engine that stands still.
const STANDS_STILL: Duration = Duration::from_millis(300);

#[test]
fn zombies_are_fenced() {
    // The time-out of transactions is above that of sessions: some zombies meet the end of one, some of both.
    let client = "\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"500\"\n\
                  \"transaction.timeout.ms\" = \"4000\"";
    let deployment = Arc::new(Deployment::with(POLICY, &[("kafka.client", client)]));
    let load = Load::start(&deployment, 31, 1_000);
    let engines = [deployment.start("one"), deployment.start("two")];
    wait_until_shared(&[&engines[0], &engines[1]]);
    for round in 0..ROUNDS {
        let (zombie, other) = (&engines[round % 2], &engines[(round + 1) % 2]);
        let lost_before = zombie.count("quell_rebalances_total", &["lost"]);
        let failed_before = zombie.count("quell_commit_failures_total", &[]);
        freeze_within_a_commit(&deployment, zombie);
        wait_until_shared(&[other]);
        let epochs = other.count("quell_epochs_total", &[]);
        wait_for("the heir to go on", || (other.metric("quell_epochs_total", &[])? > epochs + 5.0).then_some(()));
        zombie.thaw();
        wait_for("the zombie to notice", || {
            (zombie.metric("quell_rebalances_total", &["lost"])? > lost_before).then_some(())
        });
        wait_until_shared(&[zombie, other]);
        let failed = zombie.count("quell_commit_failures_total", &[]) - failed_before;
        assert!(failed > 0.0, "the zombie has committed");
    }
    for engine in &engines {
        assert!(engine.log().contains("partitions lost: others may own them already"), "{}", engine.log());
        assert_eq!(engine.log().matches("engine started").count(), 1, "it was not to start again");
    }
    let events = load.finish();
    comes_to_the_models_state(&deployment, &[&engines[0], &engines[1]], &world(&deployment.policy, &events));
}

/// Stops an engine between the begin and the end of a transaction.
fn freeze_within_a_commit(deployment: &Deployment, engine: &Instance) {
    let undecided = || deployment.undecided(&deployment.topics().changelog);
    wait_for("a transaction that stays open", || {
        engine.freeze();
        let (began, first) = (Instant::now(), undecided());
        while undecided().iter().any(|(partition, at)| first.get(partition) == Some(at)) {
            if began.elapsed() >= STANDS_STILL {
                return Some(());
            }
        }
        engine.thaw();
        None
    });
}
