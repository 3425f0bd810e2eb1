//! A topic from its beginning to its end.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::bail;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::watcher::{committed_reader, partitions};

/// A broker that has nothing to say for so long is not there.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Shows every committed record of a topic, in order of each partition, and returns at its end.
///
/// # Errors
/// When the topic cannot be read, or whoever is shown it fails.
pub fn read(
    bootstrap: &str,
    topic: &str,
    mut show: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let consumer = committed_reader(bootstrap)?;
    let mut unread: HashSet<i32> = partitions(&consumer, topic)?.into_iter().collect();
    let mut all = TopicPartitionList::new();
    for partition in &unread {
        all.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    while !unread.is_empty() {
        match consumer.poll(SILENCE_MAX) {
            None => bail!("the broker has sent nothing of topic {topic} for {} s", SILENCE_MAX.as_secs()),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => bail!("cannot read topic {topic}: {error}"),
            // librdkafka goes on by itself.
            Some(Err(_)) => {}
            Some(Ok(record)) => show(&record)?,
        }
    }
    Ok(())
}
