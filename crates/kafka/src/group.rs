//! The group's member: what the group wants is noted in the callback, and done when the engine says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quell_engine::log::InputPartition;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use crate::outage::{Outage, needs_an_operator};
use crate::settings::Topics;

/// What the group wants.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(Vec<InputPartition>),
    Revoke(Vec<InputPartition>),
    Lost(Vec<InputPartition>),
}

/// The context of the group's member. Called by librdkafka inside `poll`, on the engine's thread.
#[derive(Debug)]
pub(crate) struct Member {
    topics: Topics,
    rebalances: Mutex<VecDeque<Rebalance>>,
    undelivered: Mutex<BTreeMap<InputPartition, u64>>,
    closing: AtomicBool,
    outage: Outage,
    /// Something that an operator must act on.
    fatal: Mutex<Option<String>>,
}

impl Member {
    pub fn new(topics: Topics) -> Self {
        Self {
            topics,
            rebalances: Mutex::default(),
            undelivered: Mutex::default(),
            closing: AtomicBool::new(false),
            outage: Outage::default(),
            fatal: Mutex::default(),
        }
    }

    /// The next thing that the group wants.
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// How many records of a partition were not delivered yet, as of the last statistics.
    pub fn undelivered(&self, partition: InputPartition) -> Option<u64> {
        lock(&self.undelivered).get(&partition).copied()
    }

    /// What was known of a partition is so no longer: it was paused, moved or rewound.
    pub fn forget_undelivered(&self, partitions: &[InputPartition]) {
        let mut undelivered = lock(&self.undelivered);
        undelivered.retain(|partition, _| !partitions.contains(partition));
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
        let mut undelivered = BTreeMap::new();
        for (name, topic) in &statistics.topics {
            let Some(input) = self.topics.input_of(name) else { continue };
            for (number, known) in &topic.partitions {
                let Ok(partition) = u32::try_from(*number) else { continue };
                // Unknown until it is being fetched. The end is that of what is committed; `next_offset` counts control
                // records, which are never delivered, as done.
                if known.fetch_state != "active" || known.ls_offset < 0 || known.next_offset < 0 {
                    continue;
                }
                let ahead = u64::try_from(known.ls_offset.saturating_sub(known.next_offset)).unwrap_or(0);
                let fetched = u64::try_from(known.fetchq_cnt).unwrap_or(0);
                undelivered.insert(InputPartition { topic: input, partition }, ahead + fetched);
            }
        }
        *lock(&self.undelivered) = undelivered;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if needs_an_operator(&error) {
            lock(&self.fatal).get_or_insert_with(|| format!("kafka: {error}: {reason}"));
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
        let lost = consumer.assignment_lost();
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
