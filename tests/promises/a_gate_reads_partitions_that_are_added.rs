//! The gate's topic grows by partitions while it answers. It reads them, too, without a restart: what is said to be known
//! after an opt-out was written there does not count before the gate has it, so there is never a permit of that time. The
//! copy stays, and knows the new partitions.
//!
//! Not tested: partitions that are added to `quell.watermarks`.

use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::gate::GateInstance;
use quell_testbed::{DEADLINE, now_millis, wait_for};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The deployment makes three.
const PARTITIONS: usize = 5;
const LAST: i32 = 4;

const BEFORE: (&str, &str) = ("account_id", "before");
const AFTER: (&str, &str) = ("account_id", "after");
const NOBODY: (&str, &str) = ("account_id", "nobody");

/// Writes to the last partition, by a producer of its own: one that knows the topic asks for its partitions now and then
/// only.
fn write_to_the_last(deployment: &Deployment, record: &Produced) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", deployment.bootstrap()).create().unwrap();
    let (key, value) = (record.key.as_deref().unwrap(), record.value.as_deref().unwrap());
    let message = BaseRecord::<[u8], [u8]>::to(&record.topic).partition(LAST).key(key).payload(value);
    producer.send(message).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();
    let written = deployment.read(&record.topic);
    assert!(written.iter().any(|record| i32::try_from(record.partition) == Ok(LAST)), "{written:?}");
}

fn knows_both(gate: &GateInstance) {
    for subject in [BEFORE, AFTER] {
        let answer = gate.ask(subject, "hiring").unwrap();
        assert_eq!((answer.decision(), answer.reason()), (Some(false), "suppressed"), "{subject:?}: {answer:?}");
    }
}

#[test]
fn a_gate_reads_partitions_that_are_added() {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    let topic = deployment.gates_topic();
    deployment.produce([deployment.suppression("before", 1, true)]);
    let gate = deployment.start_gate("gate").wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(AFTER, "hiring", true, "clear");

    deployment.grow_topic(&topic, PARTITIONS);
    write_to_the_last(&deployment, &deployment.suppression("after", 1, true));
    let written = now_millis();
    wait_for("the opt-out in a new partition", || {
        deployment.say_all_is_known();
        let answer = gate.ask(AFTER, "hiring").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.decision() == Some(false) || answer.as_of() < Some(written), "written {written}: {answer:?}");
        (answer.reason() == "suppressed").then_some(())
    });
    knows_both(&gate);

    // One of the new partitions is empty, and holds nothing up.
    wait_for("what is known to go on", || {
        deployment.say_all_is_known();
        gate.ask(NOBODY, "hiring").filter(|answer| answer.decision() == Some(true) && answer.as_of() >= Some(written))
    });
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 0.0);
    gate.kill();
    let gate = deployment.start_gate("gate").wait_until_ready();
    knows_both(&gate);
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 0.0);
    assert!(gate.stop().success());
}
