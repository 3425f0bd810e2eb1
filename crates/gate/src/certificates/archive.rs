//! Decisions of the past: those that are in Kafka.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quell_domain::{Millis, uuid_text};
use quell_wire::{DecodeError, Decoder};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde_json::{Map, Value};

use crate::clients::KafkaSettings;
use crate::consumer::{ASK, Quiet};
use crate::decision_ids::decided_at;
use crate::spool::DecisionId;

/// How long to wait for a record before it is looked where the consumer is.
const POLL: Duration = Duration::from_millis(100);

/// How long one decision is looked for. The record of a time is where the topic has that time, but for those that waited
/// in a spool.
const LOOK_FOR: Duration = Duration::from_secs(10);

/// Where delivered decisions are, and how they are read.
pub struct Archive {
    kafka: KafkaSettings,
    topic: String,
    decoder: Decoder,
}

/// Nobody knows whether there is such a decision.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Kafka does not answer.
    #[error("cannot look for the decision in kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The topic is longer than what can be read in time.
    #[error(
        "the decision is not among the {records} that were delivered at its time and after, as far as they could be read in 10 s"
    )]
    TooFar {
        /// How many were read.
        records: u64,
    },
    /// Its record was found, and cannot be read.
    #[error("the decision's record cannot be read: {0}")]
    Decode(#[from] DecodeError),
}

impl Archive {
    /// The decisions of a topic.
    #[must_use]
    pub fn new(kafka: KafkaSettings, topic: String, decoder: Decoder) -> Self {
        Self { kafka, topic, decoder }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The fields of a decision's record.
    pub(super) fn read(&self, record: &[u8]) -> Result<Map<String, Value>, ArchiveError> {
        Ok(self.decoder.decision(Some(record))?)
    }

    /// The record of a decision, if it is there. Blocks.
    ///
    /// No record is older than its id, so each partition is read from the first record that is not (whatever partitioner
    /// chose it, and however many partitions there were then).
    pub(super) fn find(&self, id: DecisionId) -> Result<Option<Map<String, Value>>, ArchiveError> {
        let began = Instant::now();
        let consumer: BaseConsumer<Quiet> = self.kafka.reader().create_with_context(Quiet)?;
        let mut ends = self.assign(&consumer, decided_at(id))?;
        let key = uuid_text(&id);
        let mut records = 0;
        while !ends.is_empty() {
            if began.elapsed() > LOOK_FOR {
                return Err(ArchiveError::TooFar { records });
            }
            match consumer.poll(POLL) {
                Some(message) => {
                    let message = message?;
                    if message.key() == Some(key.as_bytes()) {
                        return self.decoder.decision(message.payload()).map(Some).map_err(Into::into);
                    }
                    records += 1;
                    let (partition, offset) = (message.partition(), message.offset());
                    if ends.get(&partition).is_some_and(|end| offset + 1 >= *end) {
                        ends.remove(&partition);
                    }
                }
                // What stood at the end may have been deleted meanwhile.
                None => {
                    for element in consumer.position()?.elements_for_topic(&self.topic) {
                        if let (Offset::Offset(next), Some(end)) = (element.offset(), ends.get(&element.partition()))
                            && next >= *end
                        {
                            ends.remove(&element.partition());
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// Begins to read each partition from a time on. Where each of them that has such records ends.
    fn assign(&self, consumer: &BaseConsumer<Quiet>, since: Millis) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), ASK)?;
        let mut times = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            times.add_partition_offset(&self.topic, partition.id(), Offset::Offset(since.0))?;
        }
        let (mut from, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
        for element in consumer.offsets_for_times(times, ASK)?.elements_for_topic(&self.topic) {
            element.error()?;
            if let Offset::Offset(next) = element.offset() {
                let (_, end) = consumer.fetch_watermarks(&self.topic, element.partition(), ASK)?;
                from.add_partition_offset(&self.topic, element.partition(), Offset::Offset(next))?;
                if end > next {
                    ends.insert(element.partition(), end);
                }
            }
        }
        consumer.assign(&from)?;
        Ok(ends)
    }
}
