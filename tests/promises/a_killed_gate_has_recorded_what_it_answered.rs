//! `kill -9` under load, several times: every decision that somebody was told is a record in Kafka afterwards.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::Random;
use quell_testbed::wait_for;

const KILLS: u32 = 5;
const CALLERS: u32 = 4;

#[test]
fn a_killed_gate_has_recorded_what_it_answered() {
    let deployment = Deployment::with(POLICY, &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    deployment.produce([deployment.suppression("out", 1, true)]);
    let (answered, mut random) = (Mutex::new(BTreeSet::new()), Random(11));
    for _ in 0..KILLS {
        let gate = deployment.start_gate("gate").wait_until_ready();
        deployment.say_all_is_known();
        gate.wait_until(("account_id", "other"), "hiring", true, "clear");
        std::thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (gate, answered) = (&gate, &answered);
                scope.spawn(move || {
                    let account = if caller == 0 { "out" } else { "other" };
                    while let Some(answer) = gate.ask(("account_id", account), "hiring") {
                        assert_eq!(answer.status, 200, "{answer:?}");
                        assert_eq!(answer.decision(), Some(caller != 0));
                        answered.lock().unwrap().insert(answer.decision_id().to_owned());
                    }
                });
            }
            let before = answered.lock().unwrap().len();
            wait_for("some answers", || (answered.lock().unwrap().len() > before + 50).then_some(()));
            std::thread::park_timeout(Duration::from_millis(random.below(300)));
            gate.signal("-KILL");
        });
        gate.kill();
    }
    let answered = answered.into_inner().unwrap();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let mut recorded = BTreeSet::new();
    wait_for("every decision's record", || {
        recorded = deployment.recorded_decisions();
        answered.is_subset(&recorded).then_some(())
    });
    println!("{} decisions were answered, {} are recorded", answered.len(), recorded.len());
    assert!(gate.stop().success());
}
