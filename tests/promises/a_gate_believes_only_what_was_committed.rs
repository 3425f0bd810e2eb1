//! A gate goes by committed suppressions alone. One of a transaction that was aborted is read past, and changes nothing.
//! While a transaction is open nothing of it counts, nor does what is said to be known after its records were written: the
//! gate cannot read past them, so `as_of` stays below that, and it fails closed; one that starts meanwhile is not ready.
//! Once it is committed, both go on.
//!
//! Not tested: a transaction over several partitions, of which brokers mark one after the other, and one that a broker
//! aborts because its time is up.

use quell_testbed::deployment::{Deployment, POLICY, Produced};
use quell_testbed::gate::{Answered, GateInstance};
use quell_testbed::{DEADLINE, now_millis, wait_for};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const SYSTEMS: &str = r#"
[admt_systems.hiring]
max_staleness = "3s"
"#;

/// The same, in milliseconds.
const MAX_STALENESS: i64 = 3_000;

const OUT: (&str, &str) = ("account_id", "out");
const NOBODY: (&str, &str) = ("account_id", "nobody");
const OTHERS: u32 = 30;

fn transactional(deployment: &Deployment) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", deployment.bootstrap())
        .set("transactional.id", format!("{}-engine", deployment.prefix))
        // Longer than anything is waited for: only the test ends one.
        .set("transaction.timeout.ms", "600000")
        .create()
        .unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer
}

/// Begins a transaction with a record, and waits until the broker has it.
fn begin_with(deployment: &Deployment, producer: &BaseProducer, record: &Produced) {
    let (key, value) = (record.key.as_deref().unwrap(), record.value.as_deref().unwrap());
    producer.begin_transaction().unwrap();
    let message = BaseRecord::<[u8], [u8]>::to(&record.topic).key(key).payload(value);
    producer.send(message).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();
    assert_eq!(deployment.undecided(&record.topic).len(), 1, "the record is not there");
}

/// When it was given, by the gate's clock.
fn answered_at(answer: &Answered) -> i64 {
    answer.as_of().unwrap_or(i64::MIN).saturating_add(answer.body["context"]["staleness_ms"].as_i64().unwrap_or(0))
}

/// Says that all is known, again and again, until the gate gives such an answer.
fn comes_to(
    deployment: &Deployment,
    gate: &GateInstance,
    what: &str,
    mut is_such: impl FnMut(&Answered) -> bool,
) -> Answered {
    wait_for(what, || {
        deployment.say_all_is_known();
        gate.ask(OUT, "hiring").filter(&mut is_such)
    })
}

#[test]
fn a_gate_believes_only_what_was_committed() {
    let deployment = Deployment::with(&format!("{POLICY}{SYSTEMS}"), &[]);
    deployment.make_gate_topics();
    deployment.produce((0..OTHERS).map(|number| deployment.suppression(&format!("other-{number}"), 1, true)));
    deployment.produce([deployment.suppression("out", 1, true)]);
    let gate = deployment.start_gate("gate").wait_until_ready();
    let producer = transactional(&deployment);
    let opt_in = deployment.suppression("out", 2, false);

    // Aborted: whoever knows all of a later time has read past it.
    begin_with(&deployment, &producer, &opt_in);
    producer.abort_transaction(DEADLINE).unwrap();
    let aborted = now_millis();
    let answer = comes_to(&deployment, &gate, "the gate to read past it", |answer| answer.as_of() >= Some(aborted));
    assert_eq!((answer.decision(), answer.reason()), (Some(false), "suppressed"), "{answer:?}");

    // Open: it stands in the topic, and nobody knows whether it will count.
    begin_with(&deployment, &producer, &opt_in);
    let opened = now_millis();
    let mut second = deployment.start_gate("second");
    wait_for("another gate to read what is committed", || {
        (second.metric("quell_gate_identifiers", &[])? == f64::from(OTHERS + 1)).then_some(())
    });
    // Until even what is said from now on would be too old, if it were the last.
    let said_from = now_millis();
    wait_for("what is known to grow old", || {
        deployment.say_all_is_known();
        assert!(!second.is_ready(), "it has not read all that stands in the topic");
        let refused = second.ask(OUT, "hiring").unwrap();
        assert_eq!(refused.status, 503, "{refused:?}");
        let out = gate.ask(OUT, "hiring").unwrap();
        assert_eq!((out.decision(), out.reason()), (Some(false), "suppressed"), "{out:?}");
        let nobody = gate.ask(NOBODY, "hiring").unwrap();
        assert!(out.as_of() < Some(opened) && nobody.as_of() < Some(opened), "opened {opened}: {out:?}, {nobody:?}");
        if answered_at(&nobody) <= said_from + MAX_STALENESS {
            return None;
        }
        assert_eq!((nobody.decision(), nobody.reason()), (Some(false), "stale"), "{nobody:?}");
        Some(())
    });

    // Committed: both have it.
    producer.commit_transaction(DEADLINE).unwrap();
    let second = second.wait_until_ready();
    for gate in [&gate, &second] {
        let answer = comes_to(&deployment, gate, "a permit", |answer| answer.decision() == Some(true));
        assert_eq!(answer.reason(), "clear", "{answer:?}");
        assert!(answer.as_of() >= Some(opened), "opened {opened}: {answer:?}");
    }
    assert!(gate.stop().success() && second.stop().success());
}
