//! An acknowledgement is recorded as the identifier's acknowledged version; one of a version that was never published is
//! ignored and counted.

use std::collections::BTreeMap;

use quell_domain::{AckOutcome, Action};
use quell_wire::{AckMessage, Encoder, Format, NamedIdentifier};

use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::events::choice;
use quell_testbed::outcome::published;
use quell_testbed::{now_millis, wait_for};

#[test]
fn acknowledgements_are_recorded() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    let avro = Encoder::new(Format::Avro, None);
    deployment.produce([choice("o", Action::OptOut, "sale", ("cookie_id", "c")).record(&deployment, &avro)]);
    wait_for("the suppressions", || (published(&deployment).messages == 2).then_some(()));
    let unacknowledged = || -> BTreeMap<&str, Option<f64>> {
        let of =
            |name: &'static str| (name, engine.metric("quell_unacknowledged", &[&format!("downstream=\"{name}\"")]));
        [of("ads"), of("analytics"), of("ml")].into()
    };
    let is = |ads, analytics| {
        unacknowledged() == [("ads", Some(ads)), ("analytics", Some(analytics)), ("ml", Some(0.0))].into()
    };
    wait_for("two to wait for an acknowledgement", || is(1.0, 1.0).then_some(()));

    let ack = |downstream: &str, value: &str, version| {
        let message = AckMessage {
            downstream: downstream.to_owned(),
            identifier: NamedIdentifier::new("cookie_id", value),
            version,
            outcome: AckOutcome::Applied,
            applied_at: now_millis(),
            detail: None,
        };
        let topic = deployment.topics().acks.clone();
        Produced { value: Some(avro.ack(&topic, &message).unwrap()), topic, ..Produced::default() }
    };
    deployment.produce([ack("ads", "c", 1), ack("ads", "c", 2), ack("ads", "never heard of", 1)]);
    wait_for("one to be acknowledged", || is(0.0, 1.0).then_some(()));
    wait_for("the others to be counted", || {
        (engine.metric("quell_events_total", &["outcome=\"stale\""]) == Some(2.0)).then_some(())
    });
    let (_, explained) = engine.get("/v1/identifiers/cookie_id/c").unwrap();
    assert!(explained.contains("\"acknowledged_version\":1"), "{explained}");
}
