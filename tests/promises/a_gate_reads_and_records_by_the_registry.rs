//! A gate with a schema registry, beside an engine with the same: what it reads has the registry's ids, and what it
//! records, too. It waits for a registry that is down, and does not record what nobody could read. Not tested here: other
//! versions of a schema.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::choice;
use quell_testbed::registry::Registry;
use quell_testbed::wait_for;
use quell_wire::{Encoder, Format, schemas};

/// The schema that a record in the Confluent wire format names.
fn schema(registry: &Registry, value: &[u8]) -> String {
    let (mark, id) = (value[0], u32::from_be_bytes(value[1..5].try_into().unwrap()));
    assert_eq!(mark, 0);
    registry.schema(id).unwrap()
}

#[test]
fn a_gate_reads_and_records_by_the_registry() {
    let registry = Registry::start();
    let lines = format!("format = \"confluent\"\nschema_registry_url = \"{}\"", registry.url());
    let extra = [
        ("encoding", lines.as_str()),
        ("gate.toml:encoding", lines.as_str()),
        ("gate.toml:spool", "deadline = \"20s\""),
    ];
    let deployment = Deployment::with(POLICY, &extra);
    deployment.make_gate_topics();
    let mut gate = deployment.start_gate("gate");
    wait_for("the gate to wait", || gate.log().contains("the schema registry does not answer; waiting").then_some(()));
    assert!(!gate.is_ready());

    registry.come_up();
    let (gate, engine) = (gate.wait_until_ready(), deployment.start("one").wait_until_ready());
    let ada = ("account_id", "ada");
    gate.wait_until(ada, "hiring", true, "clear");
    let no_machines = choice("no machines", Action::OptOut, "admt", ada);
    deployment.produce([no_machines.record(&deployment, &Encoder::new(Format::Avro, None))]);
    let denied = gate.wait_until(ada, "hiring", false, "suppressed");
    assert!(gate.stop().success() && engine.stop().success());

    let decisions = deployment.read(&deployment.decisions_topic());
    assert!(decisions.iter().any(|record| record.key.as_deref() == Some(denied.decision_id().as_bytes())));
    let written = [
        (deployment.decisions_topic(), &schemas::DECISION),
        (deployment.gates_topic(), &schemas::SUPPRESSION),
        (deployment.topics().watermarks.clone(), &schemas::WATERMARK),
    ];
    for (topic, expected) in written {
        let records = deployment.read(&topic);
        assert!(!records.is_empty(), "{topic}");
        for record in records {
            assert_eq!(schema(&registry, &record.value.unwrap()), expected.text, "{topic}");
        }
    }
}
