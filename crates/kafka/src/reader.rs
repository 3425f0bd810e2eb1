//! A reader of a whole topic, from its beginning to the end that stood when it began.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quell_domain::Millis;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::ask::{AskError, Asker};
use crate::outage::Outsider;
use crate::settings::Settings;

/// How long the brokers are waited for.
const DEADLINE: Duration = Duration::from_secs(30);

/// A record of any topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub timestamp: Millis,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The topic could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum TopicReadError {
    /// There is none of that name.
    #[error("there is no topic {0}")]
    NoTopic(String),
    /// Nothing came for too long.
    #[error("topic {0} was not read to its end: nothing came for 30 seconds")]
    Stuck(String),
    /// No broker answers.
    #[error(transparent)]
    NoAnswer(#[from] AskError),
    /// The brokers refuse.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
}

/// Reads all committed records of a topic, in order within each partition.
///
/// # Errors
/// When there is no such topic, or it cannot be read to its end.
pub fn read_topic(settings: &Settings, topic: &str, mut each: impl FnMut(ReadRecord)) -> Result<(), TopicReadError> {
    let metadata = Asker::new(&settings.admin())?.metadata(Some(topic), DEADLINE)?;
    let consumer: BaseConsumer<Outsider> = settings.reader("read_committed").create_with_context(Outsider::default())?;
    let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
    let known = known.ok_or_else(|| TopicReadError::NoTopic(topic.to_owned()))?;
    let mut list = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in known.partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), DEADLINE)?;
        if low < high {
            list.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
            ends.insert(partition.id(), high);
        }
    }
    consumer.assign(&list)?;
    let mut last_came = Instant::now();
    while !ends.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            None if last_came.elapsed() > DEADLINE => return Err(TopicReadError::Stuck(topic.to_owned())),
            None => continue,
            Some(Ok(message)) => {
                let end = ends.get(&message.partition()).copied();
                if end.is_some_and(|end| message.offset() < end) {
                    each(read(&message));
                }
                if end.is_some_and(|end| message.offset() + 1 >= end) {
                    ends.remove(&message.partition());
                }
            }
            // What lies between the last record and the end are control records.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.remove(&partition)),
            Some(Err(error)) => return Err(error.into()),
        }
        last_came = Instant::now();
    }
    Ok(())
}

fn read(message: &rdkafka::message::BorrowedMessage<'_>) -> ReadRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    ReadRecord {
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: message.offset(),
        timestamp: Millis(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
