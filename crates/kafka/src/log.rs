//! The log port on librdkafka.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::{Millis, ShardNumber};
use quell_engine::log::{
    CommitError, EpochNumber, InputPartition, InputTopic, Log, LogError, LogEvent, Offset, PreparedEpoch, Record,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, TopicPartitionList};

use crate::census::{Census, News};
use crate::committer::{Committer, Job};
use crate::group::{End, Member, Rebalance};
use crate::outage::needs_an_operator;
use crate::positions::{self, Positions};
use crate::questions::Questions;
use crate::restore::Restorer;
use crate::settings::{INPUTS, Settings};
use crate::topics::partition_counts;
use crate::waves::{self, Seen, Watermarks};

/// How long the broker is waited for when it is asked about topics, before the engine goes on with other things.
const ASK: Duration = Duration::from_secs(2);

/// While an epoch is being committed or a shard restored, there is more than records to wait for.
const GLANCE: Duration = Duration::from_millis(1);

/// Otherwise, what the group wants is looked for so often.
const GAZE: Duration = Duration::from_millis(50);

/// How long librdkafka may go on to say of a partition that flows again how far it had been fetched before. Whatever
/// was fetched, and not delivered, it fetches once more.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// How long to wait before asking once more what could not be answered.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often it is looked whether the input topics have grown.
const LOOK_FOR_GROWTH_EVERY: Duration = Duration::from_secs(60);

/// How often offsets that did not move are committed again: brokers forget those of topics that the group does not
/// subscribe to after `offsets.retention.minutes`, a week by default (KIP-211).
const RENEW_OFFSETS_EVERY: Duration = Duration::from_secs(3600);

/// Stands for the transaction that does that. No epoch of the engine has this number.
const RENEWAL: EpochNumber = EpochNumber(0);

/// A static member that is replaced more often than this within so long has a rival of the same name.
const EXPELLED_MAX: usize = 5;
const EXPELLED_WITHIN: Duration = Duration::from_secs(60);

/// How much is handed over at once.
const RECORDS_MAX: usize = 5_000;
const BYTES_MAX: usize = 4 << 20;

/// A member of the group, a transactional producer and a reader of changelogs.
///
/// The group shares out the partitions of the graph topic alone, that is the shards, so that each instance has as many
/// as any other. Each shard brings its share of the input partitions with it (`home`). An assignor over all topics
/// would balance partitions, not shards, and could leave an instance without any.
pub struct KafkaLog {
    settings: Settings,
    consumer: Arc<BaseConsumer<Member>>,
    committer: Committer,
    restorer: Restorer,
    census: Census,
    watermarks: Watermarks,
    ends: Questions<Seen>,
    /// When the ends are asked for once more, if that could not be answered.
    ask_for_ends_at: Option<Instant>,
    /// The last event was of a restore.
    has_restored: bool,
    committing: Option<(EpochNumber, Vec<(InputPartition, Offset)>)>,
    /// How many partitions each topic has; none until somebody was told.
    partition_counts: Option<PartitionCounts>,
    look_for_growth_at: Instant,
    /// Shards that the group gave, and the engine was not told of yet.
    given: Option<Vec<InputPartition>>,
    assigned: BTreeSet<InputPartition>,
    paused: BTreeSet<InputPartition>,
    /// To be consumed from the committed offsets, as soon as these are known.
    to_position: Vec<InputPartition>,
    positions: Positions,
    /// Where graph partitions ended when their position was asked for.
    ends_then: BTreeMap<InputPartition, Offset>,
    /// Since when partitions flow: those that are positioned, and not paused.
    flowing_since: BTreeMap<InputPartition, Instant>,
    /// Where each partition goes on: nothing before it is delivered.
    next_offsets: BTreeMap<InputPartition, Offset>,
    /// What is committed of each partition.
    committed: BTreeMap<InputPartition, Offset>,
    renew_offsets_at: Instant,
    has_joined: bool,
    expelled: Option<Expelled>,
    /// When that happened of late.
    expelled_at: VecDeque<Instant>,
}

/// This member has to give way to a new one: the group has left a shard to nobody, and shares out anew when somebody
/// joins; or a static member was replaced by one of the same name, and its client is of no use any more.
///
/// The latter need not be another process: when the answer to a static member's request to join is lost on its way, the member
/// asks again, and fences itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expelled {
    /// The engine does not know.
    Unsaid,
    /// It was told that its partitions are lost; once they are released, a new member joins.
    Said,
}

/// A member of the group, with nothing assigned.
fn become_member(settings: &Settings) -> Result<(Arc<BaseConsumer<Member>>, Positions), LogError> {
    let failed = |error: &dyn std::fmt::Display| LogError(format!("kafka.client: {error}"));
    let consumer: BaseConsumer<Member> = settings
        .consumer()
        .create_with_context(Member::new(settings.topics.clone()))
        .map_err(|error| failed(&error))?;
    let consumer = Arc::new(consumer);
    let positions = positions::start(Arc::clone(&consumer), settings.topics.clone()).map_err(|error| failed(&error))?;
    consumer.subscribe(&[&settings.topics.graph]).map_err(|error| failed(&error))?;
    Ok((consumer, positions))
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PartitionCounts(BTreeMap<InputTopic, u32>);

impl PartitionCounts {
    /// The input partitions that belong to a shard.
    fn of_shard(&self, shard: ShardNumber) -> Vec<InputPartition> {
        let shards = self.0.get(&InputTopic::Graph).copied().unwrap_or(0);
        let inputs = self.0.iter().filter(|(topic, _)| **topic != InputTopic::Graph);
        let all =
            inputs.flat_map(|(topic, count)| (0..*count).map(|partition| InputPartition { topic: *topic, partition }));
        all.filter(|partition| home(*partition, shards) == Some(shard)).collect()
    }
}

/// The shard that an input partition comes with: the same for every instance, and whatever the topics grow to.
fn home(partition: InputPartition, shards: u32) -> Option<ShardNumber> {
    let shift = match partition.topic {
        InputTopic::Choices => 0,
        InputTopic::Links => 1,
        InputTopic::Acks => 2,
        InputTopic::Graph => return partition.shard(),
    };
    Some(ShardNumber(partition.partition.checked_add(shift)?.checked_rem(shards)?))
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
        let (consumer, positions) = become_member(&settings)?;
        Ok(Self {
            restorer: Restorer::start(&settings).map_err(|error| failed(&error))?,
            census: Census::start(&settings, settings.standby_replicas).map_err(|error| failed(&error))?,
            watermarks: Watermarks::start(&settings).map_err(|error| failed(&error))?,
            ends: waves::ends(&settings).map_err(|error| failed(&error))?,
            ask_for_ends_at: None,
            has_restored: false,
            settings,
            consumer,
            committer,
            committing: None,
            partition_counts: None,
            look_for_growth_at: Instant::now(),
            given: None,
            assigned: BTreeSet::new(),
            paused: BTreeSet::new(),
            to_position: Vec::new(),
            positions,
            ends_then: BTreeMap::new(),
            flowing_since: BTreeMap::new(),
            next_offsets: BTreeMap::new(),
            committed: BTreeMap::new(),
            renew_offsets_at: Instant::now() + RENEW_OFFSETS_EVERY,
            has_joined: false,
            expelled: None,
            expelled_at: VecDeque::new(),
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

    /// Those of these partitions that are librdkafka's at this moment: not those that wait for their position.
    fn held(&self, partitions: impl IntoIterator<Item = InputPartition>) -> Vec<InputPartition> {
        partitions.into_iter().filter(|partition| !self.to_position.contains(partition)).collect()
    }

    /// Whether the group has taken our partitions away. What it says of it comes later.
    fn note_loss(&self) -> bool {
        let is_lost = self.consumer.assignment_lost();
        if is_lost {
            self.member().set_lost(true);
        }
        is_lost
    }

    fn flow(&mut self, partitions: &[InputPartition]) {
        let now = Instant::now();
        self.flowing_since.extend(partitions.iter().map(|partition| (*partition, now)));
    }

    /// Where a partition that flows ends. Of one that does not, librdkafka tells no news: it goes on to say what it
    /// knew when it last fetched.
    fn end(&self, partition: InputPartition) -> Option<End> {
        let since = *self.flowing_since.get(&partition)?;
        self.member().end(partition).filter(|known| known.since >= since + SETTLES_WITHIN)
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
            if ended.epoch == RENEWAL {
                return None;
            }
            let offsets = self.committing.take().map(|(_, offsets)| offsets).unwrap_or_default();
            return Some(match ended.result {
                Ok(changelog) => {
                    self.committed.extend(offsets);
                    LogEvent::Committed { epoch: ended.epoch, changelog }
                }
                Err(error) => LogEvent::Failed { epoch: ended.epoch, error },
            });
        }
        // What a replaced member was still told does not count.
        if self.given.is_none()
            && self.expelled.is_none()
            && let Some(rebalance) = self.member().next_rebalance()
        {
            match rebalance {
                Rebalance::Assign(shards) => {
                    self.given = Some(shards);
                    self.look_for_growth_at = Instant::now();
                }
                Rebalance::Revoke(shards) => return Some(LogEvent::Revoked(self.with_inputs(shards))),
                Rebalance::Lost(shards) => return Some(LogEvent::Lost(self.with_inputs(shards))),
            }
        }
        if self.expelled.is_none() && Instant::now() >= self.look_for_growth_at {
            self.count_partitions();
            if let Some(counts) = &self.partition_counts {
                let given = self.given.take();
                self.has_joined |= given.is_some();
                let owned = self.assigned.iter().chain(given.iter().flatten()).filter_map(|known| known.shard());
                let mut new: Vec<InputPartition> = owned.flat_map(|shard| counts.of_shard(shard)).collect();
                new.retain(|partition| !self.assigned.contains(partition));
                if given.is_some() || !new.is_empty() {
                    return Some(LogEvent::Assigned(given.unwrap_or_default().into_iter().chain(new).collect()));
                }
            }
        }
        self.position();
        self.renew_offsets();
        match self.census.poll() {
            Some(News::StandBy(shards)) => return Some(LogEvent::StandBy(shards)),
            Some(News::Orphaned(shard)) if self.expelled.is_none() => {
                tracing::warn!(shard = shard.0, "the group has given a shard to nobody; joining it again");
                self.expelled = Some(Expelled::Unsaid);
            }
            Some(News::Orphaned(_)) | None => {}
        }
        if let Some(records) = self.watermarks.poll() {
            return Some(LogEvent::Watermarks(records));
        }
        if let Some(ends) = self.seen_ends() {
            return Some(LogEvent::Looked(ends));
        }
        // In turns with records, and with what the group says while these are polled: however much there is to restore,
        // shards that are active go on.
        if std::mem::take(&mut self.has_restored) {
            return None;
        }
        let event = self.restorer.poll();
        self.has_restored = event.is_some();
        event
    }

    /// Where partitions end, if that was asked, and the answer is there.
    fn seen_ends(&mut self) -> Option<Vec<(InputPartition, Offset)>> {
        if self.ask_for_ends_at.is_some_and(|at| Instant::now() >= at) {
            self.look();
        }
        match self.ends.poll()? {
            Ok(Seen { ends, partitions }) => {
                let known = self.partition_counts.as_ref().is_some_and(|counts| counts.0 == partitions);
                if known {
                    return Some(ends);
                }
                // What stands in partitions that nobody reads yet counts as well: they are taken first.
                self.look_for_growth_at = Instant::now();
            }
            Err(error) => tracing::debug!(%error, "the ends of partitions are not known"),
        }
        self.ask_for_ends_at = Some(Instant::now() + ASK_AGAIN);
        None
    }

    /// What was asked for is not the question any more.
    fn forget_ends(&mut self) {
        self.ends.forget();
        self.ask_for_ends_at = None;
    }

    /// Shards, and the input partitions that came with them.
    fn with_inputs(&self, shards: Vec<InputPartition>) -> Vec<InputPartition> {
        let numbers: Vec<ShardNumber> = shards.iter().filter_map(|partition| partition.shard()).collect();
        let count = self.partition_counts.as_ref().and_then(|counts| counts.0.get(&InputTopic::Graph)).copied();
        let goes = |partition: &InputPartition| {
            partition.shard().is_none()
                && home(*partition, count.unwrap_or(0)).is_some_and(|home| numbers.contains(&home))
        };
        let inputs: Vec<InputPartition> = self.assigned.iter().filter(|partition| goes(partition)).copied().collect();
        shards.into_iter().chain(inputs).collect()
    }

    fn count_partitions(&mut self) {
        // Should it fail, not again at once: these calls block.
        self.look_for_growth_at = Instant::now() + ASK_AGAIN;
        let counts = match partition_counts(&*self.consumer, &self.settings.topics, ASK) {
            Ok(counts) if counts.len() == INPUTS.len() => PartitionCounts(counts),
            Ok(_) => return,
            Err(error) => return self.check(Err(error), "the topics are not known"),
        };
        self.look_for_growth_at = Instant::now() + LOOK_FOR_GROWTH_EVERY;
        self.partition_counts = Some(counts);
    }

    fn renew_offsets(&mut self) {
        if Instant::now() < self.renew_offsets_at || self.committing.is_some() {
            return;
        }
        self.renew_offsets_at = Instant::now() + RENEW_OFFSETS_EVERY;
        let committed: Vec<(InputPartition, Offset)> =
            self.committed.iter().map(|(key, value)| (*key, *value)).collect();
        // In a transaction like all others, so that no later one can be overtaken by it.
        let offsets = self.offsets(&committed);
        if let Some(group) = self.consumer.group_metadata().filter(|_| offsets.count() > 0) {
            let epoch =
                PreparedEpoch { number: RENEWAL, next_offsets: committed, outputs: Vec::new(), writes: Arc::default() };
            self.committer.commit(Job { epoch, offsets, group });
        }
    }

    /// Who has lost everything may have lost its membership with it, and has better things to do than to keep copies.
    fn note_shards(&mut self, is_member: bool) {
        let owned = is_member.then(|| self.assigned.iter().filter_map(|partition| partition.shard()).collect());
        self.census.owns(owned);
    }

    fn offsets(&self, next_offsets: &[(InputPartition, Offset)]) -> TopicPartitionList {
        let mut offsets = TopicPartitionList::new();
        for (partition, next_offset) in next_offsets {
            let topic = self.settings.topics.input(partition.topic);
            let added = offsets.add_partition_offset(topic, number(*partition), rdkafka::Offset::Offset(next_offset.0));
            self.check(added, "an offset cannot be committed");
        }
        offsets
    }

    /// Begins to consume what was assigned, once the committed offsets are known.
    fn position(&mut self) {
        if self.to_position.is_empty() {
            return;
        }
        if !self.positions.is_asked() {
            self.positions.ask(self.to_position.clone());
        }
        let positions = match self.positions.poll() {
            None => return,
            Some(Ok(positions)) => positions,
            Some(Err(error)) => return self.check(Err(error), "the committed offsets are not known"),
        };
        let mut start = TopicPartitionList::new();
        let (mut paused, mut flowing) = (Vec::new(), Vec::new());
        for position in positions {
            let partition = position.partition;
            let next = position.committed.unwrap_or(Offset::START);
            self.next_offsets.insert(partition, next);
            self.committed.insert(partition, next);
            self.ends_then.extend(position.end.map(|end| (partition, end)));
            let offset = position.committed.map_or(rdkafka::Offset::Beginning, |next| rdkafka::Offset::Offset(next.0));
            let topic = self.settings.topics.input(partition.topic);
            let added = start.add_partition_offset(topic, number(partition), offset);
            self.check(added, "a partition cannot be positioned");
            if self.paused.contains(&partition) { paused.push(partition) } else { flowing.push(partition) }
        }
        self.member().outage().back();
        self.check(self.consumer.incremental_assign(&start), "partitions cannot be assigned");
        // librdkafka remembers from an earlier life whether a partition is paused: each is told, either way.
        self.check(self.consumer.pause(&self.list(&paused)), "partitions cannot be paused");
        self.check(self.consumer.resume(&self.list(&flowing)), "partitions cannot be resumed");
        self.flow(&flowing);
        self.to_position.clear();
    }

    /// Whoever was replaced joins anew, unless there is a rival that does the same.
    fn note_expulsion(&mut self) -> Result<(), LogError> {
        if self.expelled.is_some() {
            return Ok(());
        }
        self.expelled = Some(Expelled::Unsaid);
        let now = Instant::now();
        self.expelled_at.push_back(now);
        self.expelled_at.retain(|at| now.duration_since(*at) < EXPELLED_WITHIN);
        if self.expelled_at.len() > EXPELLED_MAX {
            let name = self.settings.client.get("group.instance.id").map_or("", String::as_str);
            return Err(LogError(format!(
                "another instance joins group {} with group.instance.id = \"{name}\": give each instance its own",
                self.settings.group_id
            )));
        }
        tracing::warn!("replaced by a static member of the same name; joining the group again");
        Ok(())
    }

    /// Gives up what a replaced member had, then becomes a new one.
    fn join_again(&mut self) -> Result<Option<LogEvent>, LogError> {
        match self.expelled {
            Some(Expelled::Unsaid) if !self.assigned.is_empty() => {
                self.expelled = Some(Expelled::Said);
                self.given = None;
                return Ok(Some(LogEvent::Lost(self.assigned.iter().copied().collect())));
            }
            // An epoch may still be under way; it is fenced, and then they are released.
            Some(_) if !self.assigned.is_empty() => {}
            Some(_) => {
                self.member().close();
                let (consumer, positions) = become_member(&self.settings)?;
                (self.positions, self.consumer) = (positions, consumer);
                self.to_position.clear();
                self.given = None;
                self.expelled = None;
            }
            None => {}
        }
        Ok(None)
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
                Some(Err(KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId))) => {
                    self.note_expulsion()?;
                    break;
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
            if let Some(event) = self.join_again()? {
                return Ok(event);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let busy = self.committing.is_some() || !self.restorer.is_idle() || !self.to_position.is_empty();
            let records = self.records(left.min(if busy { GLANCE } else { GAZE }))?;
            if let Some(said) = self.member().fatal() {
                return Err(LogError(said));
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
        self.note_shards(true);
        self.paused.extend(partitions);
        self.to_position.extend(partitions);
        self.positions.forget();
        self.forget_ends();
        // The group gets its answer before the positions are known: until then librdkafka delivers nothing of any
        // partition, and nobody's next rebalance ends.
        self.note_loss();
        let nothing = TopicPartitionList::new();
        self.check(self.consumer.incremental_assign(&nothing), "partitions cannot be taken");
    }

    fn release(&mut self, partitions: &[InputPartition]) {
        for partition in partitions {
            self.assigned.remove(partition);
            self.paused.remove(partition);
            self.next_offsets.remove(partition);
            self.committed.remove(partition);
            self.ends_then.remove(partition);
            self.flowing_since.remove(partition);
        }
        self.note_shards(!self.assigned.is_empty());
        self.member().set_lost(false);
        // librdkafka is told even if none of them is its own: the group waits for an answer.
        let released: BTreeSet<InputPartition> = partitions.iter().copied().collect();
        let held = self.held(released);
        self.to_position.retain(|partition| !partitions.contains(partition));
        self.positions.forget();
        self.forget_ends();
        self.check(self.consumer.incremental_unassign(&self.list(&held)), "partitions cannot be released");
    }

    fn pause(&mut self, partitions: &[InputPartition]) {
        self.paused.extend(partitions);
        self.flowing_since.retain(|partition, _| !partitions.contains(partition));
        let positioned = self.held(partitions.iter().copied());
        self.check(self.consumer.pause(&self.list(&positioned)), "partitions cannot be paused");
    }

    fn resume(&mut self, partitions: &[InputPartition]) {
        self.paused.retain(|partition| !partitions.contains(partition));
        let positioned = self.held(partitions.iter().copied());
        self.check(self.consumer.resume(&self.list(&positioned)), "partitions cannot be resumed");
        self.flow(&positioned);
    }

    /// Partitions are given back and taken again at the committed offsets: unlike a seek this cannot be overtaken by
    /// what was fetched before, and needs no broker at once.
    fn rewind(&mut self) {
        let positioned = self.held(self.assigned.iter().copied());
        // Whether the last commit moved them is not known before they are asked for again.
        self.committed.clear();
        self.flowing_since.clear();
        self.note_loss();
        self.check(self.consumer.incremental_unassign(&self.list(&positioned)), "partitions cannot be rewound");
        self.to_position.extend(positioned);
        self.positions.forget();
        self.forget_ends();
    }

    fn commit(&mut self, epoch: PreparedEpoch) {
        let mut next_offsets = epoch.next_offsets.clone();
        if next_offsets.is_empty() {
            // The broker checks our membership only when it takes offsets, so there is always one: an instance that has
            // lost its shards must not commit a relaxation either.
            next_offsets.extend(self.committed.iter().next().map(|(partition, offset)| (*partition, *offset)));
        }
        let offsets = self.offsets(&next_offsets);
        let number = epoch.number;
        self.committing = Some((number, next_offsets));
        let group = self.consumer.group_metadata();
        // Asked after the membership was: one that is lost says so by then. Without a member's name and a generation the
        // broker would check nothing.
        let is_lost = self.note_loss();
        match group {
            Some(group) if offsets.count() > 0 && !is_lost => self.committer.commit(Job { epoch, offsets, group }),
            // Without a membership, or without anything that proves it, nobody may commit.
            _ => self.committer.refuse(number, CommitError::Fenced("not a member of the group".to_owned())),
        }
    }

    fn restore(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.restorer.begin(shard, next_offset, false);
    }

    fn follow(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.restorer.begin(shard, next_offset, true);
    }

    fn stop_restore(&mut self, shard: ShardNumber) {
        self.restorer.stop(shard);
    }

    fn look(&mut self) {
        self.ask_for_ends_at = None;
        self.ends.ask(self.assigned.iter().copied().collect());
    }

    fn has_delivered(&self, partition: InputPartition, end: Offset) -> bool {
        if self.to_position.contains(&partition) {
            return false;
        }
        if self.next_offsets.get(&partition).is_some_and(|next| *next >= end) {
            return true;
        }
        // What is left may be markers of transactions, which are never delivered.
        self.end(partition).is_some_and(|known| known.fetched >= end && !known.some_wait)
    }

    fn has_joined(&self) -> bool {
        self.has_joined
    }

    fn undelivered(&self, partition: InputPartition) -> Option<u64> {
        let known = self.end(partition)?;
        // Nor has it fetched anything yet of what has just been assigned.
        let end = self.ends_then.get(&partition).copied().unwrap_or(known.end).max(known.end);
        if known.fetched >= end && !known.some_wait {
            return Some(0);
        }
        let next_offset = self.next_offsets.get(&partition)?;
        Some(u64::try_from(end.0.saturating_sub(next_offset.0)).unwrap_or(0).max(1))
    }
}

impl Drop for KafkaLog {
    /// Leaves the group.
    fn drop(&mut self) {
        self.member().close();
        while self.member().next_rebalance().is_some() {}
        let held = self.held(self.assigned.iter().copied());
        self.check(self.consumer.incremental_unassign(&self.list(&held)), "partitions cannot be released");
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
