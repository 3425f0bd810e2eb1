//! The log port on the simulated cluster: a member of the group, a transactional producer and a reader of changelogs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_engine::log::{
    CommitError, EpochNumber, InputPartition, Log, LogError, LogEvent, Offset, OutputTopic, Piece, PreparedEpoch,
    Record,
};

use crate::broken::Broken;
use crate::cluster::{MemberNumber, Order, Place, Shared, TransactionNumber, TransactionState, Written};

/// How many records a poll brings at most; few, so that there are many epochs.
const RECORDS_MAX: usize = 6;

/// How many records of a changelog.
const CHANGES_MAX: usize = 20;

/// How often an instance is told what to stand by for, of a hundred polls.
const STANDBYS_PERCENT: u32 = 2;

/// How often a commit meets an error by chance, of a hundred pieces of commits.
const COMMIT_FAULTS_PERCENT: u32 = 2;

/// An epoch on its way into the log, piece by piece.
struct Commit {
    epoch: EpochNumber,
    outputs: VecDeque<Written>,
    offsets: Vec<(InputPartition, Offset)>,
    generation: u64,
    transaction: Option<TransactionNumber>,
    offsets_sent: bool,
    changelog: BTreeMap<ShardNumber, Offset>,
}

/// How far the restore of a shard has come.
enum Restore {
    Unknown {
        from: Offset,
    },
    Undecided {
        from: Offset,
        high: Offset,
    },
    Reading {
        next: Offset,
        high: Offset,
    },
    /// Another's, and read for as long as it is wanted.
    Following {
        next: Offset,
    },
}

/// One instance's connection to the cluster.
pub struct Member {
    cluster: Shared,
    clock: Arc<AtomicI64>,
    producer: String,
    number: MemberNumber,
    assigned: BTreeSet<InputPartition>,
    paused: BTreeSet<InputPartition>,
    to_position: BTreeSet<InputPartition>,
    next_offsets: BTreeMap<InputPartition, Offset>,
    committed: BTreeMap<InputPartition, Offset>,
    /// What was known of the partitions' ends when it was last looked at.
    ends: BTreeMap<InputPartition, Offset>,
    commit: Option<Commit>,
    ended: VecDeque<LogEvent>,
    restores: BTreeMap<ShardNumber, Restore>,
    has_joined: bool,
    shards: u32,
    /// How far the watermarks are read; none before the first.
    watermarks: Option<Offset>,
    /// It was asked where partitions end.
    looking: bool,
    /// Whether errors happen by chance.
    pub faults: bool,
}

impl Member {
    /// Joins the group. What a predecessor of the same name left open ends.
    pub fn join(cluster: &Shared, clock: &Arc<AtomicI64>, producer: &str, shards: u32) -> Self {
        cluster.borrow_mut().settle_all_of(producer);
        let number = cluster.borrow_mut().group.join();
        Self {
            cluster: Shared::clone(cluster),
            clock: Arc::clone(clock),
            producer: producer.to_owned(),
            number,
            assigned: BTreeSet::new(),
            paused: BTreeSet::new(),
            to_position: BTreeSet::new(),
            next_offsets: BTreeMap::new(),
            committed: BTreeMap::new(),
            ends: BTreeMap::new(),
            commit: None,
            ended: VecDeque::new(),
            restores: BTreeMap::new(),
            has_joined: false,
            shards,
            watermarks: None,
            looking: false,
            faults: true,
        }
    }

    /// Its number in the group.
    pub fn number(&self) -> MemberNumber {
        self.number
    }

    /// The transaction that it works on.
    pub fn transaction(&self) -> Option<TransactionNumber> {
        self.commit.as_ref()?.transaction
    }

    fn now(&self) -> Millis {
        Millis(self.clock.load(Ordering::Relaxed))
    }

    // ---- the committer

    /// The commit gets one piece further. It does so whether or not the engine takes turns, as a thread of its own.
    pub fn advance(&mut self) {
        let Some(mut commit) = self.commit.take() else { return };
        match self.step(&mut commit) {
            Ok(false) => self.commit = Some(commit),
            Ok(true) => {
                self.committed.extend(commit.offsets);
                let changelog = commit.changelog.into_iter().collect();
                self.ended.push_back(LogEvent::Committed { epoch: commit.epoch, changelog });
            }
            Err(error) => {
                if let Some(transaction) = commit.transaction {
                    self.cluster.borrow_mut().decide(transaction, false);
                }
                self.ended.push_back(LogEvent::Failed { epoch: commit.epoch, error });
            }
        }
    }

    /// True once it is committed.
    fn step(&mut self, commit: &mut Commit) -> Result<bool, CommitError> {
        let now = self.now();
        let cluster = &mut *self.cluster.borrow_mut();
        let Some(transaction) = commit.transaction else {
            // The coordinator takes no new transaction before the last one's markers are where they belong.
            if cluster.transactions.marker_of(&self.producer).is_none() {
                commit.transaction = Some(cluster.transactions.begin(&self.producer));
            }
            return Ok(false);
        };
        if cluster.transactions.state(transaction) != TransactionState::Open {
            return Err(CommitError::Fenced("the coordinator has aborted the transaction".to_owned()));
        }
        if self.faults && cluster.percent(COMMIT_FAULTS_PERCENT) {
            return Err(CommitError::Aborted("by chance".to_owned()));
        }
        if !commit.offsets_sent && (commit.outputs.is_empty() || cluster.broken == Some(Broken::OffsetsFirst)) {
            let current = cluster.group.is_current(self.number, commit.generation);
            if !current && cluster.broken != Some(Broken::NoFence) {
                return Err(CommitError::Fenced("the generation is not the group's".to_owned()));
            }
            commit.offsets_sent = true;
            if cluster.broken != Some(Broken::NoOffsets) {
                cluster.group.add_pending(transaction, commit.offsets.clone());
            }
            if cluster.broken == Some(Broken::EarlyCommit) {
                let changelog = commit.changelog.iter().map(|(shard, offset)| (*shard, *offset)).collect();
                self.ended.push_back(LogEvent::Committed { epoch: commit.epoch, changelog });
            }
            return Ok(false);
        }
        if !commit.outputs.is_empty() {
            let some = cluster.chance.usize(1..=commit.outputs.len());
            for output in commit.outputs.drain(..some) {
                let place = output.place;
                let offset = cluster.write(transaction, output, now);
                if let Place::Changelog(shard) = place {
                    commit.changelog.insert(shard, offset.next());
                }
            }
            return Ok(false);
        }
        if self.faults && cluster.percent(COMMIT_FAULTS_PERCENT) {
            // The answer got lost, on the way there or back. A new producer settles it.
            let arrived = cluster.percent(50);
            cluster.decide(transaction, arrived);
            cluster.settle_all_of(&self.producer);
            return Err(CommitError::Ambiguous("by chance".to_owned()));
        }
        cluster.decide(transaction, true);
        Ok(true)
    }

    // ---- the restorer

    fn restore_event(&mut self) -> Option<LogEvent> {
        let cluster = &mut *self.cluster.borrow_mut();
        let shards: Vec<ShardNumber> = self.restores.keys().copied().collect();
        let shard = cluster.chance.choice(shards)?;
        let to_stable = cluster.broken == Some(Broken::RestoreToStable);
        let changelog = cluster.partitions.entry(Place::Changelog(shard)).or_default();
        let restore = self.restores.get_mut(&shard)?;
        match *restore {
            Restore::Unknown { from } => {
                let high = if to_stable { changelog.stable() } else { changelog.high() };
                if from > high && !to_stable {
                    self.restores.remove(&shard);
                    return Some(LogEvent::ChangelogTruncated { shard });
                }
                *restore = Restore::Undecided { from, high };
                None
            }
            Restore::Undecided { from, high } => {
                if changelog.stable() >= high {
                    *restore = Restore::Reading { next: from, high };
                }
                None
            }
            Restore::Reading { next, high } => {
                let changes: Vec<_> = changelog
                    .committed(next, high)
                    .take(CHANGES_MAX)
                    .map(|(offset, entry)| (offset, (entry.key.clone().unwrap_or_default(), entry.value.clone())))
                    .collect();
                let Some((last, _)) = changes.last() else {
                    self.restores.remove(&shard);
                    return Some(LogEvent::Restored { shard, next_offset: high.max(next) });
                };
                let next_offset = last.next();
                *restore = Restore::Reading { next: next_offset, high };
                let remaining = u64::try_from(high.0 - next_offset.0).unwrap_or(0);
                let changes = changes.into_iter().map(|(_, change)| change).collect();
                Some(LogEvent::Changelog(vec![Piece { shard, changes, next_offset, remaining }]))
            }
            Restore::Following { next } if next > changelog.high() => {
                self.restores.remove(&shard);
                Some(LogEvent::ChangelogTruncated { shard })
            }
            Restore::Following { next } => {
                let stable = changelog.stable();
                let changes: Vec<_> = changelog
                    .committed(next, stable)
                    .take(CHANGES_MAX)
                    .map(|(offset, entry)| (offset, (entry.key.clone().unwrap_or_default(), entry.value.clone())))
                    .collect();
                // Without news there is hardly ever anything to say.
                if changes.is_empty() && cluster.chance.u32(0..10) > 0 {
                    return None;
                }
                let is_at_end = changes.len() < CHANGES_MAX;
                let next_offset = changes.last().map_or(next, |(last, _)| last.next());
                *restore = Restore::Following { next: next_offset };
                let changes = changes.into_iter().map(|(_, change)| change).collect();
                Some(LogEvent::Changelog(vec![Piece { shard, changes, next_offset, remaining: u64::from(!is_at_end) }]))
            }
        }
    }

    /// Now and then, some of the shards that are not ours are to be stood by for.
    fn standby_shards(&mut self) -> Option<Vec<ShardNumber>> {
        let cluster = &mut *self.cluster.borrow_mut();
        if !cluster.percent(STANDBYS_PERCENT) {
            return None;
        }
        let is_ours = |shard: &ShardNumber| self.assigned.contains(&InputPartition::of_shard(*shard));
        let others: Vec<ShardNumber> = (0..self.shards).map(ShardNumber).filter(|shard| !is_ours(shard)).collect();
        Some(others.into_iter().filter(|_| cluster.chance.bool()).collect())
    }

    // ---- waves

    fn wave_event(&mut self) -> Option<LogEvent> {
        let cluster = &mut *self.cluster.borrow_mut();
        if self.looking && cluster.percent(30) {
            self.looking = false;
            let to_stable = cluster.broken == Some(Broken::LookToStable);
            let end = |of: &InputPartition| {
                let partition = cluster.partition(Place::Input(*of));
                (*of, if to_stable { partition.stable() } else { partition.high() })
            };
            return Some(LogEvent::Looked(self.assigned.iter().map(end).collect()));
        }
        if !cluster.percent(30) {
            return None;
        }
        let topic = cluster.partition(Place::Output(OutputTopic::Watermarks));
        let (from, until) = (self.watermarks.unwrap_or(Offset::START), topic.stable());
        let new: Vec<Vec<u8>> = topic.committed(from, until).filter_map(|(_, entry)| entry.value.clone()).collect();
        let is_first = self.watermarks.replace(until.max(from)).is_none();
        (is_first || !new.is_empty()).then_some(LogEvent::Watermarks(new))
    }

    // ---- the group's member

    fn group_event(&mut self) -> Option<LogEvent> {
        let order = self.cluster.borrow_mut().group.order(self.number)?;
        let with_inputs = |shards: Vec<ShardNumber>| {
            let cluster = self.cluster.borrow();
            shards.into_iter().flat_map(|shard| cluster.group.with_inputs(shard)).collect()
        };
        Some(match order {
            Order::Assign(shards) => {
                self.has_joined = true;
                LogEvent::Assigned(with_inputs(shards))
            }
            Order::Revoke(shards) => LogEvent::Revoked(with_inputs(shards)),
            Order::Lost => {
                let lost = self.assigned.iter().copied().collect();
                self.number = self.cluster.borrow_mut().group.join();
                LogEvent::Lost(lost)
            }
        })
    }

    fn position(&mut self) {
        let cluster = self.cluster.borrow();
        let offsets: Option<Vec<(InputPartition, Offset)>> =
            self.to_position.iter().map(|of| Some((*of, cluster.group.stable_offset(*of)?))).collect();
        if let Some(offsets) = offsets {
            self.committed.extend(offsets.iter().copied());
            self.next_offsets.extend(offsets);
            self.to_position.clear();
        }
    }

    fn records(&mut self) -> Vec<Record> {
        let cluster = &mut *self.cluster.borrow_mut();
        let flowing: Vec<InputPartition> =
            self.next_offsets.keys().filter(|partition| !self.paused.contains(partition)).copied().collect();
        let Some(source) = cluster.chance.choice(flowing) else { return Vec::new() };
        let some = cluster.chance.usize(1..=RECORDS_MAX);
        let Some(from) = self.next_offsets.get(&source).copied() else { return Vec::new() };
        let partition = cluster.partition(Place::Input(source));
        let stable = partition.stable();
        let records: Vec<Record> = partition
            .committed(from, stable)
            .take(some)
            .map(|(offset, entry)| Record {
                source,
                offset,
                timestamp: entry.timestamp,
                key: entry.key.clone(),
                value: entry.value.clone(),
                headers: entry.headers.clone(),
            })
            .collect();
        let next = records.last().map_or(stable, |record| record.offset.next());
        self.next_offsets.insert(source, next.max(from));
        if cluster.chance.bool() {
            self.ends.insert(source, stable);
        }
        records
    }
}

impl Log for Member {
    fn poll(&mut self, _wait: Duration) -> Result<LogEvent, LogError> {
        if let Some(ended) = self.ended.pop_front() {
            return Ok(ended);
        }
        if self.cluster.borrow_mut().percent(60)
            && let Some(event) = self.group_event()
        {
            return Ok(event);
        }
        self.position();
        if let Some(shards) = self.standby_shards() {
            return Ok(LogEvent::StandBy(shards));
        }
        if let Some(event) = self.wave_event() {
            return Ok(event);
        }
        if let Some(event) = self.restore_event() {
            return Ok(event);
        }
        let records = self.records();
        Ok(if records.is_empty() { LogEvent::Idle } else { LogEvent::Records(records) })
    }

    fn assign(&mut self, partitions: &[InputPartition]) {
        self.assigned.extend(partitions);
        self.paused.extend(partitions);
        self.to_position.extend(partitions);
        self.looking = false;
    }

    fn release(&mut self, partitions: &[InputPartition]) {
        for partition in partitions {
            self.assigned.remove(partition);
            self.paused.remove(partition);
            self.to_position.remove(partition);
            self.next_offsets.remove(partition);
            self.committed.remove(partition);
            self.ends.remove(partition);
        }
        let shards: Vec<ShardNumber> = partitions.iter().filter_map(|partition| partition.shard()).collect();
        self.cluster.borrow_mut().group.release(self.number, &shards);
        self.looking = false;
    }

    fn pause(&mut self, partitions: &[InputPartition]) {
        self.paused.extend(partitions);
        self.ends.retain(|partition, _| !partitions.contains(partition));
    }

    fn resume(&mut self, partitions: &[InputPartition]) {
        self.paused.retain(|partition| !partitions.contains(partition));
    }

    fn rewind(&mut self) {
        if self.cluster.borrow().broken == Some(Broken::NoRewind) {
            return;
        }
        self.looking = false;
        self.ends.clear();
        self.next_offsets.clear();
        self.to_position.extend(&self.assigned);
    }

    fn commit(&mut self, epoch: PreparedEpoch) {
        let mut offsets = epoch.next_offsets;
        if offsets.is_empty() {
            // There is always an offset to be checked by.
            offsets.extend(self.committed.iter().next().map(|(partition, offset)| (*partition, *offset)));
        }
        let outputs = epoch.outputs.into_iter().map(|output| Written {
            place: Place::of(output.topic),
            key: output.key,
            value: output.value,
            headers: output.headers,
        });
        let writes = epoch.writes.iter().flat_map(|write| {
            let written = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| Written {
                place: Place::Changelog(write.shard),
                key: Some(key.clone()),
                value: value.clone(),
                headers: Vec::new(),
            };
            write.changes.iter().map(written)
        });
        self.commit = Some(Commit {
            epoch: epoch.number,
            outputs: outputs.chain(writes).collect(),
            offsets,
            generation: self.cluster.borrow().group.generation_of(self.number),
            transaction: None,
            offsets_sent: false,
            changelog: BTreeMap::new(),
        });
    }

    fn restore(&mut self, shard: ShardNumber, next_offset: Offset) {
        let has_copy = matches!(self.restores.get(&shard), Some(Restore::Following { next }) if *next > Offset::START);
        self.cluster.borrow_mut().warm_take_overs += u64::from(has_copy);
        self.restores.insert(shard, Restore::Unknown { from: next_offset });
    }

    fn follow(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.restores.insert(shard, Restore::Following { next: next_offset });
    }

    fn stop_restore(&mut self, shard: ShardNumber) {
        self.restores.remove(&shard);
    }

    fn look(&mut self) {
        self.looking = true;
    }

    fn has_delivered(&self, partition: InputPartition, end: Offset) -> bool {
        let is_positioned = !self.to_position.contains(&partition);
        is_positioned && self.next_offsets.get(&partition).is_some_and(|next| *next >= end)
    }

    fn has_joined(&self) -> bool {
        self.has_joined
    }

    fn undelivered(&self, partition: InputPartition) -> Option<u64> {
        let end = self.ends.get(&partition)?;
        let next = self.next_offsets.get(&partition)?;
        Some(u64::try_from(end.0 - next.0).unwrap_or(0))
    }
}

/// A member that the engine drives, and whose commits get on meanwhile.
#[derive(Clone)]
pub struct SharedMember(pub Rc<RefCell<Member>>);

impl Log for SharedMember {
    fn poll(&mut self, wait: Duration) -> Result<LogEvent, LogError> {
        self.0.borrow_mut().poll(wait)
    }

    fn assign(&mut self, partitions: &[InputPartition]) {
        self.0.borrow_mut().assign(partitions);
    }

    fn release(&mut self, partitions: &[InputPartition]) {
        self.0.borrow_mut().release(partitions);
    }

    fn pause(&mut self, partitions: &[InputPartition]) {
        self.0.borrow_mut().pause(partitions);
    }

    fn resume(&mut self, partitions: &[InputPartition]) {
        self.0.borrow_mut().resume(partitions);
    }

    fn rewind(&mut self) {
        self.0.borrow_mut().rewind();
    }

    fn commit(&mut self, epoch: PreparedEpoch) {
        self.0.borrow_mut().commit(epoch);
    }

    fn restore(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.0.borrow_mut().restore(shard, next_offset);
    }

    fn follow(&mut self, shard: ShardNumber, next_offset: Offset) {
        self.0.borrow_mut().follow(shard, next_offset);
    }

    fn stop_restore(&mut self, shard: ShardNumber) {
        self.0.borrow_mut().stop_restore(shard);
    }

    fn look(&mut self) {
        self.0.borrow_mut().look();
    }

    fn has_delivered(&self, partition: InputPartition, end: Offset) -> bool {
        self.0.borrow().has_delivered(partition, end)
    }

    fn has_joined(&self) -> bool {
        self.0.borrow().has_joined()
    }

    fn undelivered(&self, partition: InputPartition) -> Option<u64> {
        self.0.borrow().undelivered(partition)
    }
}
