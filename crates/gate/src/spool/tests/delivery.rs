//! What becomes of segments on their way to Kafka: librdkafka's mock, which refuses what it is told to.

use std::collections::BTreeSet;
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::*;
use crate::worker::Worker;

const DECISIONS: &str = "decisions";
const REVIEWS: &str = "reviews";

/// Far longer than a mock takes.
const DEADLINE: Duration = Duration::from_secs(30);

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    [DECISIONS, REVIEWS].iter().for_each(|topic| mock.create_topic(topic, 1, 1).unwrap());
    mock
}

fn deliver(backlog: Backlog, mock: &Mock, settings: &[(&str, &str)]) -> Worker {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", mock.bootstrap_servers()).set("linger.ms", "5");
    config.set("enable.idempotence", "true").set("message.timeout.ms", "0");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let topics = DeliveryTopics { decisions: DECISIONS.to_owned(), reviews: REVIEWS.to_owned() };
    backlog.deliver(config, topics).unwrap()
}

/// The spool that a process has left, delivered by the next one until that is stopped.
fn deliver_what_is_left(path: &Path, mock: &Mock, settings: &[(&str, &str)]) -> GateMetrics {
    let metrics = metrics();
    let (spool, syncer, backlog) = Spool::open(options(path, 1 << 20), metrics.clone()).unwrap();
    let worker = deliver(backlog, mock, settings);
    drop(spool);
    syncer.join();
    worker.stop();
    metrics
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

fn count(metrics: &GateMetrics, name: &str) -> u64 {
    let text = metrics.text().unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
}

/// The numbers of all records in Kafka, in their topics' order, with their timestamps.
fn in_kafka(mock: &Mock) -> Vec<(u64, i64)> {
    let mut found = Vec::new();
    for topic in [DECISIONS, REVIEWS] {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("group.id", "tests");
        let consumer: BaseConsumer = config.create().unwrap();
        let (first, mut end) = consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, 0, Offset::Offset(first)).unwrap();
        consumer.assign(&from).unwrap();
        end -= first;
        while end > 0 {
            let message = consumer.poll(DEADLINE).unwrap().unwrap();
            let key = quell_domain::uuid_bytes(std::str::from_utf8(message.key().unwrap()).unwrap()).unwrap();
            found.push((u64::from_be_bytes(key[8..].try_into().unwrap()), message.timestamp().to_millis().unwrap()));
            end -= 1;
        }
    }
    found
}

fn numbers_in_kafka(mock: &Mock) -> BTreeSet<u64> {
    in_kafka(mock).into_iter().map(|(number, _)| number).collect()
}

fn files(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn refused_on_disk(path: &Path, number: SegmentNumber) -> Vec<u64> {
    let mut reader = SegmentReader::open_refused(path, number).unwrap();
    let (until, mut numbers) = (reader.bytes().unwrap(), Vec::new());
    while let Next::Blocks(blocks) = reader.next(until).unwrap() {
        numbers.extend(blocks.records().map(|record| u64::from_be_bytes(record.key[8..].try_into().unwrap())));
    }
    numbers
}

#[test]
fn a_segment_goes_only_when_all_of_it_has_arrived() {
    let (left, mock) = (Left::new(), mock());
    mock.broker_down(1).unwrap();
    deliver_what_is_left(left.dir.path(), &mock, &[]);
    assert_eq!(on_disk(left.dir.path()), (0..10).collect::<Vec<_>>(), "B2: nothing has arrived");

    mock.broker_up(1).unwrap();
    let metrics = deliver_what_is_left(left.dir.path(), &mock, &[]);
    assert_eq!(numbers_in_kafka(&mock), (0..10).collect());
    assert_eq!(count(&metrics, "quell_gate_decisions_delivered_total"), 5);
    assert_eq!(files(left.dir.path()), [""; 0], "a clean stop leaves nothing that has arrived");
}

#[test]
fn a_stop_while_nothing_happens_leaves_nothing_that_has_arrived() {
    let (dir, mock, metrics) = (tempfile::tempdir().unwrap(), mock(), metrics());
    let (spool, syncer, backlog) = Spool::open(options(dir.path(), 1 << 20), metrics.clone()).unwrap();
    let (worker, runtime) = (deliver(backlog, &mock, &[]), runtime());
    for number in 0..10 {
        runtime.block_on(spool.record(&[record(number)])).unwrap();
    }
    wait_until("decisions arrive", || count(&metrics, "quell_gate_decisions_delivered_total") == 5);
    assert_eq!(on_disk(dir.path()).len(), 10, "the segment that is written stays");
    drop(spool);
    syncer.join();
    worker.stop();
    assert_eq!(files(dir.path()), [""; 0]);
    assert_eq!(count(&metrics, "quell_gate_spool_bytes"), 0);
}

#[test]
fn what_kafka_refuses_for_good_is_kept_and_holds_up_nothing_else() {
    let (left, mock, metrics) = (Left::new(), mock(), metrics());
    let (spool, syncer, backlog) = Spool::open(options(left.dir.path(), 1 << 20), metrics.clone()).unwrap();
    // More than there are records, and batches of them.
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP; 100]);
    let worker = deliver(backlog, &mock, &[]);
    wait_until("all are kept", || count(&metrics, "quell_gate_records_refused_by_kafka_total") == 10);
    mock.clear_request_errors(RDKafkaApiKey::Produce);
    runtime().block_on(spool.record(&[record(10)])).unwrap();
    wait_until("a later one arrives", || count(&metrics, "quell_gate_decisions_delivered_total") == 1);
    drop(spool);
    syncer.join();
    worker.stop();
    let mut refused = refused_on_disk(left.dir.path(), left.number);
    refused.sort_unstable();
    assert_eq!(refused, (0..10).collect::<Vec<_>>());
    assert_eq!(numbers_in_kafka(&mock), [10].into());
    assert_eq!(files(left.dir.path()), ["00000000000000000000.refused"]);
    let kept = fs::metadata(left.number.path_of_refused(left.dir.path())).unwrap().len();
    assert_eq!(count(&metrics, "quell_gate_spool_bytes"), kept);
}

#[test]
fn a_record_that_is_too_large_is_kept_once_and_the_others_arrive_in_order() {
    let (dir, mock) = (tempfile::tempdir().unwrap(), mock());
    let (spool, syncer, _) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
    let runtime = runtime();
    for number in 0..200 {
        let mut record = record(number);
        if number % 50 == 7 {
            record.value = vec![b'x'; 5_000];
        }
        runtime.block_on(spool.record(&[record])).unwrap();
    }
    drop(spool);
    syncer.join();
    let metrics = deliver_what_is_left(dir.path(), &mock, &[("message.max.bytes", "3000")]);
    assert_eq!(refused_on_disk(dir.path(), SegmentNumber(0)), [7, 57, 107, 157]);
    assert_eq!(count(&metrics, "quell_gate_records_refused_by_kafka_total"), 4);
    let arrived = in_kafka(&mock);
    let numbers: BTreeSet<u64> = arrived.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..200).filter(|number| number % 50 != 7).collect());
    assert!(arrived.len() < 3 * 200, "{} records for 196", arrived.len());
    // What arrives last of a key is what was recorded last: after a repeat comes all that came after it.
    let mut last: Vec<u64> = Vec::new();
    for (number, _) in arrived.iter().filter(|(number, _)| !number.is_multiple_of(2)) {
        last.retain(|other| other != number);
        last.push(*number);
    }
    assert!(last.is_sorted(), "{last:?}");

    // Whoever comes next has the same room, and does not touch what is kept.
    let kept = SegmentNumber(0).path_of_refused(dir.path());
    let (_spool, _syncer, backlog) = Spool::open(options(dir.path(), 1 << 20), self::metrics()).unwrap();
    assert_eq!(backlog.0.bytes.load(Ordering::Acquire), fs::metadata(&kept).unwrap().len() + MAGIC_BYTES as u64);
    assert_eq!(segments(dir.path()).unwrap()[0].0, SegmentNumber(1));

    // And it can be given back.
    fs::rename(kept, SegmentNumber(0).path(dir.path())).unwrap();
    deliver_what_is_left(dir.path(), &mock, &[]);
    assert_eq!(numbers_in_kafka(&mock), (0..200).collect());
}

#[test]
fn a_failure_that_may_pass_keeps_nothing_back() {
    let (left, mock) = (Left::new(), mock());
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let metrics = deliver_what_is_left(left.dir.path(), &mock, &[]);
    assert_eq!(numbers_in_kafka(&mock), (0..10).collect());
    assert_eq!(files(left.dir.path()), [""; 0]);
    assert_eq!(count(&metrics, "quell_gate_records_refused_by_kafka_total"), 0);
}

#[test]
fn what_is_whole_of_a_damaged_segment_arrives_and_its_file_is_set_aside() {
    let (left, mock) = (Left::new(), mock());
    left.write(&left.with_a_bit_flipped(left.at(3) + HEADER_BYTES + 30));
    let metrics = deliver_what_is_left(left.dir.path(), &mock, &[]);
    assert_eq!(numbers_in_kafka(&mock), [0, 1, 2, 4, 5, 6, 7, 8, 9].into());
    assert_eq!(files(left.dir.path()), ["00000000000000000000.damaged"]);
    assert_eq!(count(&metrics, "quell_gate_spool_damages_total"), 1);
}

#[test]
fn an_empty_segment_is_set_aside_and_one_that_was_cut_off_is_not() {
    for (bytes, is_damaged) in [(0, true), (MAGIC_BYTES + 5, false)] {
        let (left, mock) = (Left::new(), mock());
        left.write(&left.whole[..bytes]);
        let metrics = deliver_what_is_left(left.dir.path(), &mock, &[]);
        assert_eq!(files(left.dir.path()).len(), usize::from(is_damaged));
        assert_eq!(count(&metrics, "quell_gate_spool_damages_total"), u64::from(is_damaged));
    }
}

#[test]
fn a_timestamp_is_not_far_ahead_of_this_machines_clock() {
    let (dir, mock) = (tempfile::tempdir().unwrap(), mock());
    let (spool, syncer, _) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let hour = 60 * 60 * 1_000;
    let timestamps = [now - 24 * hour, now, now + hour / 60, now + 24 * hour];
    for (number, timestamp) in (0..).step_by(2).zip(timestamps) {
        let record = Record { timestamp: Millis(timestamp), ..record(number) };
        runtime().block_on(spool.record(&[record])).unwrap();
    }
    drop(spool);
    syncer.join();
    deliver_what_is_left(dir.path(), &mock, &[]);
    let arrived: Vec<i64> = in_kafka(&mock).into_iter().map(|(_, timestamp)| timestamp).collect();
    assert_eq!(arrived[..3], timestamps[..3]);
    assert!(arrived[3] >= now && arrived[3] < now + hour, "{arrived:?}");
}
