//! The engine says how far it has come, and the gate goes by it: while the engine stands still, or is gone, nobody knows
//! whether somebody has opted out, and nobody is permitted. An opt-out that was made meanwhile is known before the gate
//! says again that it knows all.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::choice;
use quell_testbed::{now_millis, wait_for};
use quell_wire::{Encoder, Format};

const SYSTEMS: &str = "[admt_systems.hiring]\nmax_staleness = \"4s\"\n";

#[test]
fn an_engine_that_stops_makes_its_gates_stale() {
    let deployment = Deployment::with(&format!("{POLICY}{SYSTEMS}"), &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    let engine = deployment.start("one").wait_until_ready();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let (jane, nobody) = (("account_id", "jane"), ("account_id", "nobody"));
    gate.wait_until(nobody, "hiring", true, "clear");

    engine.freeze();
    gate.wait_until(nobody, "hiring", false, "stale");
    deployment
        .produce([choice("out", Action::OptOut, "admt", jane).record(&deployment, &Encoder::new(Format::Avro, None))]);
    let written = now_millis();
    engine.thaw();
    // Whoever is told that all is known by then is told of her, too. What the engine was about to say when it was stopped
    // is about a time before.
    wait_for("jane to be known", || {
        let answer = gate.ask(jane, "hiring")?;
        let is_about_before = answer.as_of() < Some(written);
        assert!(is_about_before || answer.decision() == Some(false), "{answer:?}");
        (answer.reason() == "suppressed").then_some(())
    });
    gate.wait_until(nobody, "hiring", true, "clear");

    engine.kill();
    gate.wait_until(nobody, "hiring", false, "stale");
    let engine = deployment.start("one").wait_until_ready();
    gate.wait_until(nobody, "hiring", true, "clear");
    assert!(engine.stop().success() && gate.stop().success());
}
