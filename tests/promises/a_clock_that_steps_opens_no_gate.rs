//! The wall clock of a gate's machine is stepped back and forth: what the gate knows never seems younger than it is.

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::gate::Answered;
use quell_testbed::stepped_clock::SteppedClock;
use quell_testbed::wait_for;

const SYSTEMS: &str = "[admt_systems.hiring]\nmax_staleness = \"5s\"\n";
const NOBODY: (&str, &str) = ("account_id", "nobody");
const HOUR: i64 = 3_600;

#[test]
fn a_clock_that_steps_opens_no_gate() {
    let deployment = Deployment::with(&format!("{POLICY}{SYSTEMS}"), &[]);
    deployment.make_gate_topics();
    let clock = SteppedClock::new(deployment.dir.path());
    let gate = deployment.start_gate_with("gate", &clock.environment()).wait_until_ready();
    let staleness = |answer: &Answered| answer.body["context"]["staleness_ms"].as_i64().unwrap();

    deployment.say_all_is_known();
    let answer = gate.wait_until(NOBODY, "hiring", true, "clear");
    assert!(staleness(&answer) <= 5_000, "{answer:?}");

    // Back: it grows old all the same.
    clock.set_ahead(-HOUR);
    let answer = gate.wait_until(NOBODY, "hiring", false, "stale");
    assert!((5_000..60_000).contains(&staleness(&answer)), "{answer:?}");
    deployment.say_all_is_known();
    gate.wait_until(NOBODY, "hiring", true, "clear");

    // Forth: it may be so late, and back again: it may have been.
    clock.set_ahead(HOUR);
    deployment.say_all_is_known();
    wait_for("an hour's staleness", || {
        let answer = gate.ask(NOBODY, "hiring")?;
        assert_eq!((answer.decision(), answer.reason()), (Some(false), "stale"), "{answer:?}");
        (staleness(&answer) >= HOUR * 1_000 - 60_000).then_some(())
    });
    clock.set_ahead(0);
    deployment.say_all_is_known();
    let answer = gate.ask(NOBODY, "hiring").unwrap();
    assert_eq!((answer.decision(), answer.reason()), (Some(false), "stale"), "{answer:?}");

    // A gate that starts with a clock that is behind goes by the engine's.
    assert!(gate.stop().success());
    clock.set_ahead(-HOUR);
    let gate = deployment.start_gate_with("gate", &clock.environment()).wait_until_ready();
    wait_for("it to be stale by the engine's clock", || {
        let answer = gate.ask(NOBODY, "hiring")?;
        let staleness = answer.body["context"]["staleness_ms"].as_i64()?;
        assert!((0..60_000).contains(&staleness), "{answer:?}");
        assert_eq!(answer.decision(), Some(staleness <= 5_000), "{answer:?}");
        (answer.reason() == "stale").then_some(())
    });
    assert!(gate.log().contains("the engine's clock is ahead of this machine's"), "{}", gate.log());

    // Whoever has set the clock right starts the gate again.
    assert!(gate.stop().success());
    clock.set_ahead(0);
    let gate = deployment.start_gate_with("gate", &clock.environment()).wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(NOBODY, "hiring", true, "clear");
    assert!(gate.stop().success());
}
