//! What the gate knows grows old while nobody says that it is still all: beyond the system's limit it denies, or answers
//! 503 where the policy says so, whoever is asked about.

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::gate::GateInstance;
use quell_testbed::{now_millis, wait_for};

const SYSTEMS: &str = r#"
[admt_systems.hiring]
max_staleness = "3s"
[admt_systems.credit]
max_staleness = "3s"
on_stale = "error"
"#;

const NOBODY: (&str, &str) = ("account_id", "nobody");

fn fails_closed(gate: &GateInstance) {
    wait_for("hiring to be denied", || {
        let answer = gate.ask(NOBODY, "hiring")?;
        assert_eq!(answer.status, 200);
        (answer.decision() == Some(false) && answer.reason() == "stale").then_some(())
    });
    let answer = gate.ask(NOBODY, "credit").unwrap();
    assert_eq!((answer.status, answer.reason()), (503, "stale"), "{answer:?}");
    assert_ne!(answer.decision(), Some(true));
}

#[test]
fn a_stale_gate_fails_closed() {
    let deployment = Deployment::with(&format!("{POLICY}{SYSTEMS}"), &[]);
    deployment.make_gate_topics();
    let gate = deployment.start_gate("gate").wait_until_ready();
    // Nobody has ever said how far anything has come.
    fails_closed(&gate);
    assert_eq!(gate.count("quell_gate_staleness_seconds", &[]), f64::INFINITY);

    deployment.say_all_is_known();
    gate.wait_until(NOBODY, "hiring", true, "clear");
    fails_closed(&gate);
    assert!(gate.count("quell_gate_staleness_seconds", &[]) >= 3.0);

    // What is said late is of no use, and what is said again is.
    deployment.say_known_until(now_millis() - 10_000);
    fails_closed(&gate);
    deployment.say_all_is_known();
    gate.wait_until(NOBODY, "credit", true, "clear");
    assert!(gate.stop().success());
}
