//! Reads along, as a downstream does: what is committed, as soon as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use quell_wire::dead_letter::{self, Cause, Header};
use quell_wire::{Decoder, SuppressionMessage};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Offset, TopicPartitionList};

use crate::topics::Topics;

/// More than arrive while a line is printed; whoever falls further behind makes the watcher wait.
const ARRIVALS_WAITING_MAX: usize = 100_000;
/// How soon the thread sees that it is to end.
const POLL: Duration = Duration::from_millis(100);
/// The broker's answers to questions about a topic.
const ANSWER: Duration = Duration::from_secs(30);

/// A suppression that arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The downstream whose topic it was on.
    pub downstream: String,
    /// The record's key.
    pub key: String,
    /// What it says.
    pub suppression: SuppressionMessage,
    /// When it was here.
    pub at: Instant,
}

/// A dead letter that arrived.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why it was refused, and where it came from.
    pub cause: Cause,
    /// All its headers.
    pub headers: Vec<Header>,
    /// Its value, as it was sent.
    pub value: Option<Vec<u8>>,
    /// When it was here.
    pub at: Instant,
}

/// Something that arrived.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// On the topic of a downstream.
    Suppression(Heard),
    /// On the topic of dead letters.
    DeadLetter(Refused),
    /// Something that nobody should have written.
    Unreadable(String),
}

/// A reader of every suppression topic and of the dead letters, on a thread of its own.
pub struct Watcher {
    /// What arrives, in order.
    pub arrivals: Receiver<Arrival>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Begins to read where the topics end now.
    ///
    /// # Errors
    /// When a topic is not there.
    pub fn start(bootstrap: &str, topics: &Topics) -> anyhow::Result<Self> {
        let consumer = committed_reader(bootstrap)?;
        let mut ends = TopicPartitionList::new();
        let dead_letters = [topics.dead_letters.as_str()];
        for topic in topics.suppressions.iter().map(|(_, topic)| topic.as_str()).chain(dead_letters) {
            for partition in partitions(&consumer, topic)? {
                let (_, end) = consumer.fetch_watermarks(topic, partition, ANSWER)?;
                ends.add_partition_offset(topic, partition, Offset::Offset(end))?;
            }
        }
        consumer.assign(&ends)?;
        let (sender, arrivals) = sync_channel(ARRIVALS_WAITING_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let (topics, stopped) = (topics.clone(), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("watcher".to_owned())
            .spawn(move || watch(&consumer, &topics, &sender, &stopped))?;
        Ok(Self { arrivals, stop, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever waits for room in the channel is let go by its other end, which is dropped first.
        let (_, nobody) = sync_channel(0);
        self.arrivals = nobody;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            drop(thread.join());
        }
    }
}

/// A reader of what is committed, without a group.
///
/// # Errors
/// When librdkafka refuses the configuration.
pub fn committed_reader(bootstrap: &str) -> anyhow::Result<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        // librdkafka wants a name, although nothing is kept under it.
        .set("group.id", "quell-demo")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        // What is written while a fetch waits shall not wait as well.
        .set("fetch.queue.backoff.ms", "1")
        // Nor shall the end of a topic, which is told when a fetch comes back with nothing.
        .set("fetch.wait.max.ms", "50")
        .create()
        .context("librdkafka refuses the configuration of a consumer")
}

/// The partitions of a topic.
///
/// # Errors
/// When it is not there.
pub fn partitions(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<Vec<i32>> {
    let missing = || format!("cannot read topic {topic}; does it exist? `quell topics create` makes it");
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).with_context(missing)?;
    let found = metadata.topics().first().filter(|found| found.error().is_none()).with_context(missing)?;
    Ok(found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
}

/// The headers of a record.
#[must_use]
pub fn headers(record: &BorrowedMessage<'_>) -> Vec<Header> {
    let headers = record.headers().into_iter().flat_map(rdkafka::message::BorrowedHeaders::iter);
    headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}

fn watch(consumer: &BaseConsumer, topics: &Topics, arrivals: &SyncSender<Arrival>, stop: &AtomicBool) {
    let decoder = Decoder::new(None);
    while !stop.load(Ordering::Relaxed) {
        let arrival = match consumer.poll(POLL) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => continue,
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                Arrival::Unreadable(format!("cannot read from Kafka: {error}"))
            }
            // librdkafka goes on by itself.
            Some(Err(_)) => continue,
            Some(Ok(record)) => arrival(&decoder, topics, &record),
        };
        if arrivals.send(arrival).is_err() {
            return;
        }
    }
}

fn arrival(decoder: &Decoder, topics: &Topics, record: &BorrowedMessage<'_>) -> Arrival {
    let at = Instant::now();
    let place = || format!("{}, partition {}, offset {}", record.topic(), record.partition(), record.offset());
    let Some(downstream) = topics.downstream(record.topic()) else {
        let headers = headers(record);
        return match dead_letter::cause(&headers) {
            Some(cause) => {
                Arrival::DeadLetter(Refused { cause, headers, value: record.payload().map(<[u8]>::to_vec), at })
            }
            None => Arrival::Unreadable(format!("a dead letter without its headers, at {}", place())),
        };
    };
    let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
    match decoder.suppression(record.payload()) {
        Ok(suppression) => Arrival::Suppression(Heard { downstream: downstream.to_owned(), key, suppression, at }),
        Err(error) => Arrival::Unreadable(format!("a suppression that cannot be read, at {}: {error}", place())),
    }
}
