//! The Confluent wire format: schemas by the registry's ids, resolved by Avro's rules. A registry that is down stalls
//! the stream and loses nothing.

use quell_domain::Action;
use quell_wire::{Encoder, Format, schemas};

use quell_testbed::deployment::{Deployment, POLICY, Produced};
use quell_testbed::events::choice;
use quell_testbed::outcome::published;
use quell_testbed::registry::Registry;
use quell_testbed::wait_for;

#[test]
fn confluent_records_are_read_by_the_registry() {
    // The writer has a field more than we know, and none of the optional ones' defaults differ.
    let schema = schemas::CHOICE_EVENT.text.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"shard_hint\", \"type\": \"long\", \"default\": 0},",
        1,
    );
    let registry = Registry::start();
    let theirs = registry.register(&schema);
    let lines = format!("schema_registry_url = \"{}\"", registry.url());
    let deployment = Deployment::with(POLICY, &[("encoding", &lines)]);
    let topic = deployment.topics().choices.clone();
    let avro = Encoder::new(Format::Avro, None);
    let ours = choice("c", Action::OptOut, "sale", ("cookie_id", "c")).record(&deployment, &avro).value.unwrap();
    let record = |id: u32| {
        // The field that they have and we have not, then the rest as we write it.
        let value = [[0].as_slice(), &id.to_be_bytes(), &[2], &ours[10..]].concat();
        Produced { topic: topic.clone(), value: Some(value), partition: Some(0), ..Produced::default() }
    };
    let engine = deployment.start("one").wait_until_ready();
    deployment.produce([record(theirs), record(theirs + 1)]);
    wait_for("the stall to be seen", || (engine.metric("quell_registry_stalled", &[]) == Some(1.0)).then_some(()));
    assert_eq!(published(&deployment).messages, 0);
    assert_eq!(deployment.read(&deployment.topics().dead_letters).len(), 0);

    registry.come_up();
    wait_for("the choice to take effect", || (published(&deployment).messages == 2).then_some(()));
    let letters = wait_for("the unknown id to be refused", || {
        let letters = deployment.read(&deployment.topics().dead_letters);
        (!letters.is_empty()).then_some(letters)
    });
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_ref().unwrap()[..5], [0, 0, 0, 0, 2]);
    assert_eq!(engine.metric("quell_registry_stalled", &[]), Some(0.0));
}
