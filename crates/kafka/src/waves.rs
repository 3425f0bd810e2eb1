//! What waves need of Kafka, each on a thread of its own: what stands in `topics.watermarks`, and where partitions end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_engine::log::{InputPartition, InputTopic, Offset};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientContext, Message, TopicPartitionList};

use crate::questions::Questions;
use crate::settings::{Settings, Topics};
use crate::topics::partition_counts;

/// How long a question to the brokers waits.
const ASK: Duration = Duration::from_secs(2);

/// How long to wait for a watermark before it is looked whether to stop.
const WAIT: Duration = Duration::from_millis(100);

/// How long to wait before asking again for a topic that is not there, or cannot be read.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Says what it has to say at debug level: the group's member says the same louder.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a reader of watermarks met an error");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Reads the watermarks, from the first on.
pub(crate) struct Watermarks {
    news: Receiver<Vec<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watermarks {
    pub fn start(settings: &Settings) -> std::io::Result<Self> {
        let (given, news) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (settings, stopping) = (settings.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("quell-watermarks".to_owned()).spawn(move || {
            let mut said = false;
            while !stopping.load(Ordering::Acquire) {
                // A reader that fails begins anew: what is heard twice says nothing new.
                if let Err(error) = read(&settings, &given, &stopping)
                    && !std::mem::replace(&mut said, true)
                {
                    let topic = settings.topics.watermarks.as_str();
                    tracing::warn!(topic, %error, "watermarks cannot be read; without them nobody can tell how far Quell has come");
                }
                wait(&stopping, ASK_AGAIN);
            }
        })?;
        Ok(Self { news, stop, thread: Some(thread) })
    }

    /// Records that are new, if any; the first time all that stood there.
    pub fn poll(&self) -> Option<Vec<Vec<u8>>> {
        self.news.try_recv().ok()
    }
}

impl Drop for Watermarks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("it has {0} partitions, and must have one; make it by `quell topics create`")]
    Partitions(usize),
    #[error("the engine is gone")]
    Gone,
}

/// Until it fails, or is to stop.
fn read(settings: &Settings, given: &Sender<Vec<Vec<u8>>>, stop: &AtomicBool) -> Result<(), ReadError> {
    let topic = settings.topics.watermarks.as_str();
    let mut config = settings.reader("read_committed");
    // Watermarks of long ago say nothing that later ones do not.
    config.set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
    // One partition, so that all read the same in the same order.
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
    match known.map_or(0, |known| known.partitions().len()) {
        1 => {}
        other => return Err(ReadError::Partitions(other)),
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Beginning)?;
    consumer.assign(&list)?;
    let (mut records, mut is_at_end) = (Vec::new(), false);
    while !stop.load(Ordering::Acquire) {
        let mut wait = WAIT;
        loop {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => records.extend(message.payload().map(<[u8]>::to_vec)),
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    if !std::mem::replace(&mut is_at_end, true) {
                        given.send(std::mem::take(&mut records)).map_err(|_| ReadError::Gone)?;
                    }
                    break;
                }
                // It goes on when the brokers are back.
                Some(Err(error)) => {
                    tracing::debug!(%error, "watermarks cannot be read");
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        if is_at_end && !records.is_empty() {
            given.send(std::mem::take(&mut records)).map_err(|_| ReadError::Gone)?;
        }
    }
    Ok(())
}

fn wait(stop: &AtomicBool, patience: Duration) {
    let until = Instant::now() + patience;
    while !stop.load(Ordering::Acquire) && Instant::now() < until {
        std::thread::sleep(WAIT);
    }
}

/// Where partitions end.
#[derive(Debug)]
pub(crate) struct Seen {
    pub ends: Vec<(InputPartition, Offset)>,
    /// How many partitions each topic has, at the same time or later: as far as the broker that was asked has heard. A
    /// partition that was added a moment ago may not be among them, and what stands there is not waited for.
    pub partitions: BTreeMap<InputTopic, u32>,
}

/// A thread that asks where partitions end.
pub(crate) fn ends(settings: &Settings) -> KafkaResult<Questions<Seen>> {
    let client: BaseConsumer<Quiet> = settings.reader("read_uncommitted").create_with_context(Quiet)?;
    let topics = settings.topics.clone();
    let started = Questions::start("quell-ends", move |partitions| ask(&client, &topics, partitions));
    started.map_err(|error| KafkaError::ClientCreation(error.to_string()))
}

/// The high watermarks: read uncommitted, since what lies before them may still be decided.
fn ask(client: &BaseConsumer<Quiet>, topics: &Topics, partitions: &[InputPartition]) -> KafkaResult<Seen> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let number = i32::try_from(partition.partition).unwrap_or(-1);
        list.add_partition_offset(topics.input(partition.topic), number, rdkafka::Offset::End)?;
    }
    // A time of -1 asks for the end (ListOffsets of Kafka); one request for each broker.
    let answered = client.offsets_for_times(list, ASK)?;
    let mut ends = Vec::with_capacity(partitions.len());
    for element in answered.elements() {
        element.error()?;
        let partition = topics.input_of(element.topic()).zip(u32::try_from(element.partition()).ok());
        if let (Some((topic, partition)), rdkafka::Offset::Offset(end)) = (partition, element.offset()) {
            ends.push((InputPartition { topic, partition }, Offset(end)));
        }
    }
    if ends.len() != partitions.len() {
        return Err(KafkaError::MetadataFetch(rdkafka::error::RDKafkaErrorCode::UnknownPartition));
    }
    Ok(Seen { ends, partitions: partition_counts(client, topics, ASK)? })
}
