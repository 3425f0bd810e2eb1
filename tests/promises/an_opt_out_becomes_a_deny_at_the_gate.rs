//! From `optout.events` through a real engine to a gate's answer: an opt-out, one that a late link brings, and its
//! withdrawal. And every decision that was answered is a record of `quell.decisions`. Not tested here: crashes.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{Event, choice, link};
use quell_testbed::gate::GateInstance;
use quell_wire::{Encoder, Format};

fn tell(deployment: &Deployment, event: &Event) {
    deployment.produce([event.record(deployment, &Encoder::new(Format::Avro, None))]);
}

/// Asks until the answer is this one. How old what is known is, the engine says.
fn comes_to(gate: &GateInstance, subject: (&str, &str), permits: bool, reason: &str) {
    gate.wait_until(subject, "hiring", permits, reason);
}

#[test]
fn an_opt_out_becomes_a_deny_at_the_gate() {
    // A disk that is shared with a broker and an engine may take long.
    let deployment = Deployment::with(POLICY, &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    let engine = deployment.start("one").wait_until_ready();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let (laptop, jane, ada) = (("cookie_id", "laptop"), ("account_id", "jane"), ("email", "Ada@Example.com"));
    for subject in [laptop, jane, ada] {
        comes_to(&gate, subject, true, "clear");
    }

    tell(&deployment, &choice("no machines", Action::OptOut, "admt", laptop));
    comes_to(&gate, laptop, false, "suppressed");
    tell(&deployment, &choice("no hiring", Action::OptOut, "admt:hiring", ada));
    comes_to(&gate, ada, false, "suppressed");
    assert_eq!(gate.ask(ada, "credit").unwrap().reason(), "clear");

    tell(&deployment, &link("log-in", true, jane, laptop));
    comes_to(&gate, jane, false, "suppressed");
    let said = gate.ask(jane, "credit").unwrap().body;
    assert_eq!(said["context"]["choice_id"], "no machines");
    assert_eq!(said["context"]["inherited"], true);

    tell(&deployment, &choice("machines again", Action::OptIn, "admt", laptop));
    comes_to(&gate, jane, true, "clear");

    // One that begins only now reads what transactions have left, their markers at the end of each partition included.
    let other = deployment.start_gate("other").wait_until_ready();
    comes_to(&other, ada, false, "suppressed");
    assert!(other.stop().success());

    let answered: Vec<String> = (0..100).map(|_| gate.ask(ada, "hiring").unwrap().decision_id().to_owned()).collect();
    assert!(gate.stop().success() && engine.stop().success());
    let recorded = deployment.recorded_decisions();
    assert!(answered.iter().all(|id| recorded.contains(id)), "some of 100 decisions have no record");
}
