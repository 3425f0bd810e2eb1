//! What a newer version wrote is not computed on by an older one: it would lose what it does not know.

use quell_testbed::broker::broker;
use quell_testbed::deployment::Deployment;
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The key of the row that says in which format a shard's rows are: in its value's first byte.
const BASIS: [u8; 1] = [6];

#[test]
fn a_newer_format_is_refused() {
    let deployment = Deployment::new();
    let mut events = hurting(91, 20, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.stop().success());

    let changelog = deployment.topics().changelog.clone();
    let mut bases = deployment.read(&changelog).into_iter().filter(|record| record.key.as_deref() == Some(&BASIS));
    let basis = bases.next_back().expect("a shard says in which format it is");
    let (partition, old) = (i32::try_from(basis.partition).unwrap(), basis.value.unwrap());
    let mut newer = old.clone();
    newer[0] += 1;
    write(&changelog, partition, &newer);

    for is_warm in [true, false] {
        let (status, log) = deployment.start("one").ended();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("the changelog has format 2, and this version of Quell knows formats up to 1"), "{log}");
        if is_warm {
            std::fs::remove_dir_all(deployment.store_of("one")).unwrap();
        }
    }

    // Nothing was lost by that.
    write(&changelog, partition, &old);
    let engine = deployment.start("one").wait_until_ready();
    let more = hurting(92, 20, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
}

fn write(topic: &str, partition: i32, value: &[u8]) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &broker().bootstrap).create().unwrap();
    let record = BaseRecord::to(topic).partition(partition).key(&BASIS[..]).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(quell_testbed::DEADLINE).unwrap();
}
