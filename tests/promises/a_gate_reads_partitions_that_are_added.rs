//! The gate's topic grows by partitions while it answers. It reads them, too, without a restart: what is said to be known
//! after an opt-out was written there does not count before the gate has it, so there is never a permit of that time. The
//! copy stays, and knows the new partitions.
//!
//! Not tested: partitions that are added to `quell.watermarks`.

use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::gate::{Answered, GateInstance};
use quell_testbed::{DEADLINE, now_millis, wait_for};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The deployment makes three.
const PARTITIONS: usize = 5;
const LAST: i32 = 4;

const BEFORE: (&str, &str) = ("account_id", "before");
const AFTER: (&str, &str) = ("account_id", "after");
const NOBODY: (&str, &str) = ("account_id", "nobody");

fn client(deployment: &Deployment) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", deployment.bootstrap());
    config
}

/// Gives a topic more partitions, and waits until brokers tell of them.
fn grow(deployment: &Deployment, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(deployment).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (more, options) = ([NewPartitions::new(topic, PARTITIONS)], AdminOptions::new());
    let grown = runtime.block_on(admin.create_partitions(&more, &options)).unwrap();
    assert!(grown.iter().all(Result::is_ok), "{topic} has not grown: {grown:?}");
    let consumer: BaseConsumer = client(deployment).create().unwrap();
    wait_for("the new partitions", || {
        let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).ok()?;
        (metadata.topics()[0].partitions().len() == PARTITIONS).then_some(())
    });
}

/// Writes to the last partition, by a producer of its own: one that knows the topic asks for its partitions now and then
/// only.
fn write_to_the_last(deployment: &Deployment, record: &Produced) {
    let producer: BaseProducer = client(deployment).create().unwrap();
    let (key, value) = (record.key.as_deref().unwrap(), record.value.as_deref().unwrap());
    let message = BaseRecord::<[u8], [u8]>::to(&record.topic).partition(LAST).key(key).payload(value);
    producer.send(message).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();
    let written = deployment.read(&record.topic);
    assert!(written.iter().any(|record| i32::try_from(record.partition) == Ok(LAST)), "{written:?}");
}

/// Up to when every opt-out is in an answer.
fn as_of(answer: &Answered) -> i64 {
    answer.body["context"]["as_of"].as_i64().unwrap_or(i64::MIN)
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

    grow(&deployment, &topic);
    write_to_the_last(&deployment, &deployment.suppression("after", 1, true));
    let written = now_millis();
    wait_for("the opt-out in a new partition", || {
        deployment.say_all_is_known();
        let answer = gate.ask(AFTER, "hiring").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.decision() == Some(false) || as_of(&answer) < written, "written {written}: {answer:?}");
        (answer.reason() == "suppressed").then_some(())
    });
    knows_both(&gate);

    // One of the new partitions is empty, and holds nothing up.
    wait_for("what is known to go on", || {
        deployment.say_all_is_known();
        gate.ask(NOBODY, "hiring").filter(|answer| answer.decision() == Some(true) && as_of(answer) >= written)
    });
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 0.0);
    gate.kill();
    let gate = deployment.start_gate("gate").wait_until_ready();
    knows_both(&gate);
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 0.0);
    assert!(gate.stop().success());
}
