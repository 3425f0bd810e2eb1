//! The log port on librdkafka.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use quell_domain::{Millis, ShardNumber};
use quell_engine::log::{
    CommitError, EpochNumber, InputPartition, Log, LogError, LogEvent, Offset, PreparedEpoch, Record,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, TopicPartitionList};

use crate::committer::{Committer, Job};
use crate::group::{Member, Rebalance};
use crate::outage::needs_an_operator;
use crate::restore::Restorer;
use crate::settings::{INPUTS, Settings};

/// How long the broker is waited for when it is asked for committed offsets, before the engine goes on with other
/// things.
const ASK: Duration = Duration::from_secs(2);

/// While an epoch is being committed or a shard restored, there is more than records to wait for.
const GLANCE: Duration = Duration::from_millis(1);

/// Otherwise, what the group wants is looked for so often.
const GAZE: Duration = Duration::from_millis(50);

/// How much is handed over at once.
const RECORDS_MAX: usize = 5_000;
const BYTES_MAX: usize = 4 << 20;

/// A member of the group, a transactional producer and a reader of changelogs.
pub struct KafkaLog {
    settings: Settings,
    consumer: BaseConsumer<Member>,
    committer: Committer,
    restorer: Restorer,
    committing: Option<EpochNumber>,
    assigned: BTreeSet<InputPartition>,
    paused: BTreeSet<InputPartition>,
    /// To be consumed from the committed offsets, as soon as these are known.
    to_position: Option<Vec<InputPartition>>,
    /// Where each partition goes on: nothing before it is delivered.
    next_offsets: BTreeMap<InputPartition, Offset>,
    has_joined: bool,
}

impl KafkaLog {
    /// Joins the group. `instance` distinguishes this instance from all others, and is the same when it comes back: its
    /// producer then ends what its predecessor left open.
    ///
    /// # Errors
    /// When a client cannot be made with these settings.
    pub fn join(settings: Settings, instance: &str) -> Result<Self, LogError> {
        settings.check().map_err(|error| LogError(error.to_string()))?;
        let failed = |error: &dyn std::fmt::Display| LogError(format!("kafka.client: {error}"));
        let committer = Committer::start(&settings, &format!("{}-{instance}", settings.group_id))
            .map_err(|error| failed(&error))?;
        let consumer: BaseConsumer<Member> = settings
            .consumer()
            .create_with_context(Member::new(settings.topics.clone()))
            .map_err(|error| failed(&error))?;
        let topics: Vec<&str> = INPUTS.iter().map(|topic| settings.topics.input(*topic)).collect();
        consumer.subscribe(&topics).map_err(|error| failed(&error))?;
        Ok(Self {
            restorer: Restorer::new(&settings),
            settings,
            consumer,
            committer,
            committing: None,
            assigned: BTreeSet::new(),
            paused: BTreeSet::new(),
            to_position: None,
            next_offsets: BTreeMap::new(),
            has_joined: false,
        })
    }

    fn member(&self) -> &Member {
        self.consumer.context()
    }

    fn list(&self, partitions: &[InputPartition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(self.settings.topics.input(partition.topic), number(*partition));
        }
        list
    }

    /// Says what did not work, where there is nothing else to do about it.
    fn check(&self, result: KafkaResult<()>, doing: &str) {
        if let Err(error) = result {
            self.member().outage().report(&error, doing);
        }
    }

    /// What is not records.
    fn other_event(&mut self) -> Option<LogEvent> {
        if let Some(ended) = self.committer.ended() {
            self.committing = None;
            return Some(match ended.result {
                Ok(changelog) => LogEvent::Committed { epoch: ended.epoch, changelog },
                Err(error) => LogEvent::Failed { epoch: ended.epoch, error },
            });
        }
        if let Some(rebalance) = self.member().next_rebalance() {
            return Some(match rebalance {
                Rebalance::Assign(partitions) => {
                    self.has_joined = true;
                    LogEvent::Assigned(partitions)
                }
                Rebalance::Revoke(partitions) => LogEvent::Revoked(partitions),
                Rebalance::Lost(partitions) => LogEvent::Lost(partitions),
            });
        }
        self.position();
        self.restorer.poll()
    }

    /// Begins to consume what was assigned, once the committed offsets are known.
    fn position(&mut self) {
        let Some(partitions) = &self.to_position else { return };
        let mut start = TopicPartitionList::new();
        if !partitions.is_empty() {
            let committed = match self.consumer.committed_offsets(self.list(partitions), ASK) {
                Ok(committed) => committed,
                Err(error) => return self.check(Err(error), "the committed offsets are not known"),
            };
            for partition in partitions {
                let topic = self.settings.topics.input(partition.topic);
                let known = committed.find_partition(topic, number(*partition)).map(|element| element.offset());
                let (offset, next) = match known {
                    Some(rdkafka::Offset::Offset(offset)) => (rdkafka::Offset::Offset(offset), Offset(offset)),
                    _ => (rdkafka::Offset::Beginning, Offset::START),
                };
                self.next_offsets.insert(*partition, next);
                let added = start.add_partition_offset(topic, number(*partition), offset);
                self.check(added, "a partition cannot be positioned");
            }
        }
        self.member().outage().back();
        self.check(self.consumer.incremental_assign(&start), "partitions cannot be assigned");
        let paused: Vec<InputPartition> =
            partitions.iter().filter(|partition| self.paused.contains(partition)).copied().collect();
        self.check(self.consumer.pause(&self.list(&paused)), "partitions cannot be paused");
        self.to_position = None;
    }

    /// Waits for a record, and takes what has been fetched with it.
    fn records(&mut self, wait: Duration) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let (mut bytes, mut wait) = (0, wait);
        while records.len() < RECORDS_MAX && bytes < BYTES_MAX {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if let Some(record) = record(&self.settings, &message)
                        && self.assigned.contains(&record.source)
                        && self.next_offsets.get(&record.source).is_none_or(|next| record.offset >= *next)
                    {
                        bytes += message.payload_len();
                        self.next_offsets.insert(record.source, record.offset.next());
                        records.push(record);
                    }
                }
                Some(Err(error)) if needs_an_operator(&error) => return Err(LogError(format!("kafka: {error}"))),
                Some(Err(error)) => {
                    self.member().outage().report(&error, "records cannot be fetched");
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }
}

impl Log for KafkaLog {
    fn poll(&mut self, wait: Duration) -> Result<LogEvent, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(event) = self.other_event() {
                return Ok(event);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let busy = self.committing.is_some() || !self.restorer.is_idle() || self.to_position.is_some();
            let records = self.records(left.min(if busy { GLANCE } else { GAZE }))?;
            if let Some(reason) = self.member().fatal() {
                return Err(LogError(reason));
            }
            if !records.is_empty() {
                return Ok(LogEvent::Records(records));
            }
            if Instant::now() >= deadline {
                return Ok(self.other_event().unwrap_or(LogEvent::Idle));
            }
        }
    }

    fn assign(&mut self, partitions: &[InputPartition]) {
        self.assigned.extend(partitions);
        self.paused.extend(partitions);
        self.to_position.get_or_insert_default().extend(partitions);
    }

    fn release(&mut self, partitions: &[InputPartition]) {
        for partition in partitions {
            self.assigned.remove(partition);
            self.paused.remove(partition);
            self.next_offsets.remove(partition);
        }
        self.member().forget_ends(partitions);
        if let Some(waiting) = &mut self.to_position {
            waiting.retain(|partition| !partitions.contains(partition));
        }
        self.check(self.consumer.incremental_unassign(&self.list(partitions)), "partitions cannot be released");
    }

    fn pause(&mut self, partitions: &[InputPartition]) {
        self.paused.extend(partitions);
        self.member().forget_ends(partitions);
        self.check(self.consumer.pause(&self.list(partitions)), "partitions cannot be paused");
    }

    fn resume(&mut self, partitions: &[InputPartition]) {
        self.paused.retain(|partition| !partitions.contains(partition));
        let waiting = self.to_position.as_deref().unwrap_or_default();
        let positioned: Vec<InputPartition> =
            partitions.iter().filter(|partition| !waiting.contains(partition)).copied().collect();
        self.check(self.consumer.resume(&self.list(&positioned)), "partitions cannot be resumed");
    }

    /// Partitions are given back and taken again at the committed offsets: unlike a seek this cannot be overtaken by
    /// what was fetched before, and needs no broker at once.
    fn rewind(&mut self) {
        let positioned: Vec<InputPartition> = {
            let waiting = self.to_position.as_deref().unwrap_or_default();
            self.assigned.iter().filter(|partition| !waiting.contains(partition)).copied().collect()
        };
        self.member().forget_ends(&positioned);
        self.check(self.consumer.incremental_unassign(&self.list(&positioned)), "partitions cannot be rewound");
        self.to_position.get_or_insert_default().extend(positioned);
    }

    fn commit(&mut self, epoch: PreparedEpoch) {
        let mut offsets = TopicPartitionList::new();
        for (partition, next_offset) in &epoch.next_offsets {
            let topic = self.settings.topics.input(partition.topic);
            let added = offsets.add_partition_offset(topic, number(*partition), rdkafka::Offset::Offset(next_offset.0));
            self.check(added, "an offset cannot be committed");
        }
        self.committing = Some(epoch.number);
        match self.consumer.group_metadata() {
            Some(group) => self.committer.commit(Job { epoch, offsets, group }),
            // Without a membership nobody may commit.
            None => self.committer.refuse(epoch.number, CommitError::Fenced("not a member of the group".to_owned())),
        }
    }

    fn restore(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.restorer.begin(shard, next_offset);
    }

    fn stop_restore(&mut self, shard: ShardNumber) {
        self.restorer.stop(shard);
    }

    fn has_joined(&self) -> bool {
        self.has_joined
    }

    fn undelivered(&self, partition: InputPartition) -> Option<u64> {
        let known = self.member().end(partition)?;
        if known.all_delivered {
            return Some(0);
        }
        let next_offset = self.next_offsets.get(&partition)?;
        Some(u64::try_from(known.end.0.saturating_sub(next_offset.0)).unwrap_or(0))
    }
}

impl Drop for KafkaLog {
    /// Leaves the group.
    fn drop(&mut self) {
        self.member().close();
        while self.member().next_rebalance().is_some() {}
        let assigned: Vec<InputPartition> = self.assigned.iter().copied().collect();
        self.check(self.consumer.incremental_unassign(&self.list(&assigned)), "partitions cannot be released");
    }
}

fn number(partition: InputPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(-1)
}

fn record(settings: &Settings, message: &BorrowedMessage<'_>) -> Option<Record> {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Some(Record {
        source: InputPartition {
            topic: settings.topics.input_of(message.topic())?,
            partition: u32::try_from(message.partition()).ok()?,
        },
        offset: Offset(message.offset()),
        timestamp: Millis(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    })
}
