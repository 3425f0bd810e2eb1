//! Where to begin: committed offsets, asked for on a thread of its own.
//!
//! The broker does not say what is committed while a transaction with offsets is open (KIP-447), and that of an instance
//! that died stays open until its time is up. Shards that stay must not stand still for so long.

use std::sync::Arc;
use std::time::Duration;

use quell_engine::log::{InputPartition, Offset};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use crate::group::Member;
use crate::questions::Questions;
use crate::settings::Topics;

/// How long one question waits for its answer; then it is asked again.
const ASK: Duration = Duration::from_secs(2);

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub partition: InputPartition,
    /// None if nothing was ever committed.
    pub committed: Option<Offset>,
    /// The end of a graph partition for a read-committed reader. Others' are not asked for.
    pub end: Option<Offset>,
}

/// Asks for them.
pub(crate) type Positions = Questions<Vec<Position>>;

/// Begins the thread that asks.
pub(crate) fn start(consumer: Arc<BaseConsumer<Member>>, topics: Topics) -> std::io::Result<Positions> {
    Questions::start("quell-positions", move |partitions| ask(&consumer, &topics, partitions))
}

fn ask(consumer: &BaseConsumer<Member>, topics: &Topics, partitions: &[InputPartition]) -> KafkaResult<Vec<Position>> {
    let number = |partition: InputPartition| i32::try_from(partition.partition).unwrap_or(-1);
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topics.input(partition.topic), number(*partition));
    }
    let known = if partitions.is_empty() { list } else { consumer.committed_offsets(list, ASK)? };
    let mut positions = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let topic = topics.input(partition.topic);
        let element = known.find_partition(topic, number(*partition));
        let committed = match element.map(|element| element.error().map(|()| element.offset())).transpose()? {
            Some(rdkafka::Offset::Offset(offset)) => Some(Offset(offset)),
            _ => None,
        };
        let end = match partition.shard() {
            Some(_) => Some(Offset(consumer.fetch_watermarks(topic, number(*partition), ASK)?.1)),
            None => None,
        };
        positions.push(Position { partition: *partition, committed, end });
    }
    Ok(positions)
}
