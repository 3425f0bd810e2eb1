//! Where to begin: committed offsets, asked for on a thread of its own.
//!
//! The broker does not say what is committed while a transaction with offsets is open (KIP-447), and that of an instance
//! that died stays open until its time is up. Shards that stay must not stand still for so long.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_engine::log::{InputPartition, Offset};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use crate::group::Member;
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

/// Asks, one question at a time.
pub(crate) struct Positions {
    questions: Option<Sender<(u64, Vec<InputPartition>)>>,
    answers: Receiver<(u64, KafkaResult<Vec<Position>>)>,
    /// Answers to earlier questions are of no use: partitions came, went or were rewound since.
    number: u64,
    is_asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Positions {
    pub fn start(consumer: Arc<BaseConsumer<Member>>, topics: Topics) -> std::io::Result<Self> {
        let (questions, asked) = channel::<(u64, Vec<InputPartition>)>();
        let (given, answers) = channel();
        let thread = std::thread::Builder::new().name("quell-positions".to_owned()).spawn(move || {
            while let Ok((number, partitions)) = asked.recv() {
                if given.send((number, ask(&consumer, &topics, &partitions))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions: Some(questions), answers, number: 0, is_asked: false, thread: Some(thread) })
    }

    /// What is asked for now is no longer what is wanted.
    pub fn forget(&mut self) {
        self.number += 1;
        self.is_asked = false;
    }

    /// Asks, if that has not been done yet; the answer, if it is there.
    pub fn poll(&mut self, partitions: &[InputPartition]) -> Option<KafkaResult<Vec<Position>>> {
        if !self.is_asked
            && let Some(questions) = &self.questions
        {
            self.is_asked = true;
            // The thread ends only after this handle.
            drop(questions.send((self.number, partitions.to_vec())));
        }
        while let Ok((number, answer)) = self.answers.try_recv() {
            if number == self.number {
                self.forget();
                return Some(answer);
            }
        }
        None
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
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
