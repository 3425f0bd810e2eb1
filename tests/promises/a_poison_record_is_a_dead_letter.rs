//! A record that the engine cannot deal with is set aside after a few tries, and the stream goes on.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::events::{choice, hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::wait_for;
use quell_wire::{Encoder, Format, dead_letter};

#[test]
fn a_record_that_makes_the_engine_panic_is_a_dead_letter() {
    let deployment = Deployment::new();
    let events = hurting(51, 60, 40);
    let poison = choice("poison-51", Action::OptOut, "sale", ("cookie_id", "c"))
        .record(&deployment, &Encoder::new(Format::Avro, None));
    let mut produced = records(&deployment, &events);
    produced.insert(produced.len() / 2, poison.clone());
    deployment.produce(produced);
    let engine = deployment.start_with("one", &[("QUELL_TEST_POISON", "poison-51")]).wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));

    let letters = deployment.read(&deployment.topics().dead_letters);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value, poison.value);
    assert_eq!(dead_letter::cause(&letters[0].headers).unwrap().code, "internal");
    assert_eq!(engine.metric("quell_dead_letters_total", &["code=\"internal\""]), Some(1.0));
    assert!(engine.metric("quell_panics_total", &[]) >= Some(3.0));
    assert!(engine.stop().success());
}

/// A broker's limit is on what producers have packed; what is packed well enough is larger than anything that can be
/// written again.
#[test]
fn a_record_that_is_too_large_to_be_written_again_does_not_stop_the_stream() {
    let deployment = Deployment::new();
    let events = hurting(52, 30, 40);
    let mut produced = records(&deployment, &events);
    let large = |megabytes: usize, key: &str| Produced {
        topic: deployment.topics().choices.clone(),
        key: Some(key.as_bytes().to_vec()),
        value: Some(vec![b'x'; megabytes << 20]),
        headers: vec![("traceparent".to_owned(), vec![b'y'; 200_000])],
        partition: None,
    };
    produced.push(large(20, "large"));
    deployment.produce(produced);
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    let letters = deployment.read(&deployment.topics().dead_letters);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key.as_deref(), Some(b"large".as_slice()));
    assert_eq!(letters[0].value.as_ref().map(Vec::len), Some(20 << 20));

    // One that no limit of the topic lets through is told of, with the place where it stands.
    deployment.alter_topic(&deployment.topics().dead_letters, &[("max.message.bytes", "1200")]);
    deployment.produce([large(30, "larger")]);
    let letters = wait_for("the second dead letter", || {
        Some(deployment.read(&deployment.topics().dead_letters)).filter(|letters| letters.len() == 2)
    });
    let pointer = letters.iter().find(|letter| letter.value.is_none()).unwrap();
    let cause = dead_letter::cause(&pointer.headers).unwrap();
    assert_eq!((cause.code.as_str(), cause.topic), ("internal", deployment.topics().choices.clone()));
    assert!(engine.stop().success());
}
