//! SIGTERM under load: each question that was taken is answered, and every answer is a record in Kafka when the gate has
//! ended, with 0.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::wait_for;

const CALLERS: usize = 4;

#[test]
fn a_gate_that_stops_answers_what_it_was_asked() {
    let deployment = Deployment::with(POLICY, &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    let mut gate = deployment.start_gate("gate").wait_until_ready();
    let (answered, stopping) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            let (gate, answered, stopping) = (&gate, &answered, &stopping);
            scope.spawn(move || {
                loop {
                    let Some(answer) = gate.ask(("account_id", "a"), "hiring") else {
                        assert!(stopping.load(Ordering::SeqCst), "a question was dropped");
                        break;
                    };
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.lock().unwrap().insert(answer.decision_id().to_owned());
                }
            });
        }
        wait_for("some answers", || (answered.lock().unwrap().len() > 100).then_some(()));
        stopping.store(true, Ordering::SeqCst);
        gate.ask_to_stop();
    });
    let status = wait_for("the gate to end", || gate.status());
    assert!(status.success() && gate.log().contains("gate stopped"), "{}", gate.log());
    let (answered, recorded) = (answered.into_inner().unwrap(), deployment.recorded_decisions());
    assert!(answered.is_subset(&recorded), "{} answered, {} recorded", answered.len(), recorded.len());
}
