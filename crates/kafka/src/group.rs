//! The group's member: what the group wants is noted in the callback, and done when the engine says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quell_engine::log::{InputPartition, Offset};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use crate::ask::refused;
use crate::outage::{Outage, needs_an_operator};
use crate::settings::Topics;

/// What the group wants.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<InputPartition>),
    Revoke(Vec<InputPartition>),
    Lost(Vec<InputPartition>),
}

/// Where a partition ends, for a read-committed reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// The last stable offset.
    pub end: Offset,
    /// Everything before this was delivered, if nothing waits. What lies between the last record and the end are control
    /// records: fetched, and never delivered.
    pub fetched: Offset,
    /// Whether records were fetched that have not been delivered.
    pub some_wait: bool,
    /// When that was so, or a little later: what librdkafka says of itself waits for the next poll.
    pub since: Instant,
}

/// The context of the group's member. Called by librdkafka inside `poll`, on the engine's thread.
#[derive(Debug)]
pub(crate) struct Member {
    topics: Topics,
    /// Before the client was made, which counts the time since.
    began: Instant,
    rebalances: Mutex<VecDeque<Rebalance>>,
    ends: Mutex<BTreeMap<InputPartition, End>>,
    closing: AtomicBool,
    /// The membership was seen to be lost, and the group has not said so yet.
    lost: AtomicBool,
    outage: Outage,
    /// Something that an operator must act on, and how it was said.
    fatal: Mutex<Option<String>>,
}

impl Member {
    pub fn new(topics: Topics) -> Self {
        Self {
            topics,
            began: Instant::now(),
            rebalances: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            outage: Outage::default(),
            fatal: Mutex::default(),
        }
    }

    /// The next thing that the group wants.
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// Where a partition ended as of the last statistics, while it is being fetched.
    pub fn end(&self, partition: InputPartition) -> Option<End> {
        lock(&self.ends).get(&partition).copied()
    }

    /// Remembers that the membership is lost: librdkafka forgets it with the next partition that is given back.
    pub fn set_lost(&self, lost: bool) {
        self.lost.store(lost, Ordering::Release);
    }

    /// From now on partitions go as soon as the group wants them back: the engine is gone.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// What an operator must act on, if anything.
    pub fn fatal(&self) -> Option<String> {
        lock(&self.fatal).take()
    }

    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<InputPartition> {
        let partition = |topic: &str, partition: i32| {
            Some(InputPartition { topic: self.topics.input_of(topic)?, partition: u32::try_from(partition).ok()? })
        };
        list.elements().iter().filter_map(|element| partition(element.topic(), element.partition())).collect()
    }
}

impl ClientContext for Member {
    fn stats(&self, statistics: Statistics) {
        let since = self.began + Duration::from_micros(u64::try_from(statistics.age).unwrap_or(0));
        let mut ends = BTreeMap::new();
        for (name, topic) in &statistics.topics {
            let Some(input) = self.topics.input_of(name) else { continue };
            for (number, known) in &topic.partitions {
                let Ok(partition) = u32::try_from(*number) else { continue };
                // Unknown until it is being fetched. The end is that of what is committed; `next_offset` counts control
                // records, which are never delivered, as done.
                if known.fetch_state != "active" || known.ls_offset < 0 || known.next_offset < 0 {
                    continue;
                }
                // Of a partition that was just assigned librdkafka goes on to say how far it was fetched before, until
                // it has looked what to fetch. It forgets at once what was delivered, and that the end was reached.
                if known.app_offset < 0 && known.eof_offset < 0 {
                    continue;
                }
                // The queue is one for all partitions. What was fetched, and is not in it, was delivered.
                let (end, fetched) = (Offset(known.ls_offset), Offset(known.next_offset));
                let some_wait = known.fetchq_cnt > 0;
                ends.insert(InputPartition { topic: input, partition }, End { end, fetched, some_wait, since });
            }
        }
        *lock(&self.ends) = ends;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if needs_an_operator(&error) {
            lock(&self.fatal).get_or_insert_with(|| refused(&error, reason));
        }
        self.outage.report(&error, reason);
    }
}

impl ConsumerContext for Member {
    /// Notes what the group wants. Assigning and releasing is done by the engine in its own time: librdkafka waits for
    /// it, as long as it is polled.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.outage.back();
            lock(&self.rebalances).push_back(Rebalance::Assign(self.partitions(list)));
            return;
        }
        if self.closing.load(Ordering::Acquire) || list.count() == 0 {
            if let Err(error) = consumer.incremental_unassign(list) {
                tracing::debug!(%error, "could not release partitions");
            }
            return;
        }
        let partitions = self.partitions(list);
        let lost = consumer.assignment_lost() || self.lost.load(Ordering::Acquire);
        lock(&self.rebalances).push_back(if lost {
            Rebalance::Lost(partitions)
        } else {
            Rebalance::Revoke(partitions)
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
