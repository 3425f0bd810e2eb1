//! The engine: one thread that takes what the log brings, computes epochs, and has them committed.
//!
//! While one epoch is being committed, the next is computed on top of what it has not yet written. If a commit fails,
//! both are thrown away, every shard reads the tail of its changelog again, and the instance goes back to the committed
//! offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use quell_domain::{Millis, Policy, ShardCount, ShardNumber};
use quell_graph::{NewerFormat, OpenError, Origin, Pace, ReadError, Shard, Undeclared, Vocabulary};
use quell_wire::{Decoder, Encoder};

use crate::backlog::{Backlog, bytes_of};
use crate::caution::{Caution, Place};
use crate::epoch::{ComputeError, Computed, Draft};
use crate::handle::{Handle, LookError, LookRequest, Readiness};
use crate::intake::{self, EventOutcome, Stalled};
use crate::log::{CommitError, EpochNumber, InputPartition, InputTopic, Log, LogError, LogEvent, Offset, Record};
use crate::observer::{Hold, Observer, Progress};
use crate::others::Others;
use crate::shard_life::{Restoring, Shards};
use crate::store::{Opened, ShardChanges, Store, StoreError};
use crate::supersteps;

/// How long a record waits before its schema is asked for again when the registry did not answer.
const REGISTRY_RETRY_MILLIS: i64 = 1_000;

/// How often a relaxation that is due, but may not be published yet, is looked at again.
const DUE_RETRY: Duration = Duration::from_millis(20);

/// How often it is noted that what is stored of idle shards is true.
const CONFIRM_EVERY: Duration = Duration::from_secs(600);

/// How long to wait after so many failures in a row before the next epoch is tried.
const BACK_OFF: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// How many nodes an epoch reviews under a changed policy at most, so that it delays nobody.
const REVIEWED_MAX: usize = 1_000;

/// What the engine is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are: partitions of the graph topic and of the changelog.
    pub shards: ShardCount,
    /// `engine.relax_after`
    pub relax_after: Duration,
    /// `engine.threads`: how many shards are computed side by side.
    pub threads: usize,
    /// How many records an epoch takes at most.
    pub epoch_records_max: usize,
    /// How many bytes of records an epoch takes at most.
    pub epoch_bytes_max: usize,
    /// How many bytes of records may wait before the inputs are paused.
    pub backlog_bytes_max: usize,
    /// How many records of the graph topic may wait, delivered or not, before the inputs are paused.
    pub graph_behind_max: u64,
    /// How many nodes of each shard stay in memory between epochs.
    pub cached_nodes_max: usize,
    /// How long the changelog keeps deletions (`delete.retention.ms`).
    pub deletions_kept: Duration,
    /// `engine.review_rate`: how many identifiers a second are reviewed under a changed policy at most.
    pub review_rate: u32,
    /// For tests: a record with these bytes in its value makes the engine panic.
    pub poison: Option<Vec<u8>>,
    /// The names of the input topics, for dead letters.
    pub topic_names: BTreeMap<InputTopic, String>,
}

/// The engine ends. Whatever passes by itself never does that: an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
    /// See [`ComputeError`].
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// See [`NewerFormat`].
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// The policy no longer declares what is stored.
    #[error("the policy does not declare what is in use: {0}; declare it again")]
    Undeclared(String),
}

impl EngineError {
    /// Whether throwing the store away and restoring it from the changelog mends it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Store(StoreError::Damaged(_)) | Self::Compute(ComputeError::Read(ReadError::Damaged(_))))
    }
}

impl From<quell_graph::ReadError> for EngineError {
    fn from(error: quell_graph::ReadError) -> Self {
        Self::Compute(error.into())
    }
}

/// The engine. [`Engine::turn`] is called over and over by one thread.
pub struct Engine<L: Log, S: Store> {
    settings: Settings,
    vocabulary: Arc<Vocabulary>,
    decoder: Decoder,
    encoder: Encoder,
    log: L,
    store: S,
    observer: Box<dyn Observer>,
    clock: Box<dyn Fn() -> Millis + Send>,
    threads: Option<rayon::ThreadPool>,

    handle: Handle,
    looks: Receiver<LookRequest>,

    assigned: BTreeSet<InputPartition>,
    paused: BTreeSet<InputPartition>,
    /// Why the inputs are paused, if they are.
    held: Option<Hold>,
    /// Partitions that the group wants back, once no epoch needs them any more.
    leaving: Vec<InputPartition>,
    /// Of those, the group has taken some away already: what is stored of them may be of long ago.
    has_lost: bool,
    /// What is being computed on is not ours any more: once the epoch in flight has ended, fall back.
    abandoned: bool,
    shards: Shards<S::Shard>,
    backlog: Backlog,
    /// Partitions of the graph topic whose next record this instance does not understand, and why.
    ahead: BTreeMap<InputPartition, String>,
    /// The records of the epoch that is being computed, in case one of them makes it panic.
    drafting: Vec<Place>,
    caution: Caution,
    /// How many epochs in a row were not committed, and until when the next one waits for that.
    failures: usize,
    wait_until: Millis,
    others: Others,
    /// What the policy does not declare, of the shards that were restored.
    undeclared: Vec<Undeclared>,
    /// When what is stored of idle shards is next noted to be true.
    confirm_at: Millis,
    /// Before this time nothing is reviewed.
    next_review_at: Millis,
    /// Until then no input is decoded: the schema registry does not answer.
    stalled_until: Option<Millis>,
    /// The registry did not answer when it was last asked.
    registry_stalled: bool,
    last_epoch: EpochNumber,
    /// Computed, waiting for the one in flight.
    computed: Option<Computed>,
    in_flight: Option<Computed>,
    draining: bool,
}

impl<L: Log, S: Store> Engine<L, S> {
    /// An engine that has not begun.
    ///
    /// # Errors
    /// When the threads cannot be started.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different port; a struct of them would be taken apart here"
    )]
    pub fn new(
        settings: Settings,
        policy: Arc<Policy>,
        decoder: Decoder,
        encoder: Encoder,
        log: L,
        store: S,
        observer: Box<dyn Observer>,
        clock: Box<dyn Fn() -> Millis + Send>,
    ) -> Result<Self, StoreError> {
        let threads = (settings.threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build())
            .transpose()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let (handle, looks) = Handle::new();
        let fingerprint = policy.fingerprint();
        Ok(Self {
            settings,
            vocabulary: Arc::new(Vocabulary::new(policy)),
            decoder,
            encoder,
            log,
            store,
            observer,
            clock,
            threads,
            handle,
            looks,
            assigned: BTreeSet::new(),
            paused: BTreeSet::new(),
            held: None,
            leaving: Vec::new(),
            has_lost: false,
            abandoned: false,
            shards: Shards::default(),
            backlog: Backlog::default(),
            ahead: BTreeMap::new(),
            drafting: Vec::new(),
            caution: Caution::default(),
            failures: 0,
            wait_until: Millis(0),
            others: Others::new(fingerprint),
            undeclared: Vec::new(),
            confirm_at: Millis(0),
            next_review_at: Millis(0),
            stalled_until: None,
            registry_stalled: false,
            last_epoch: EpochNumber(0),
            computed: None,
            in_flight: None,
            draining: false,
        })
    }

    /// What others may ask of the engine while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes in no more; what has been computed is still committed.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether everything computed has been committed (or has failed) after [`Engine::drain`].
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining && self.computed.is_none() && self.in_flight.is_none()
    }

    /// The log and the store, for the end.
    #[must_use]
    pub fn into_parts(self) -> (L, S) {
        (self.log, self.store)
    }

    /// One turn: the next thing that the log brings, then whatever can be computed and committed. Waits at most `wait`
    /// when there is nothing to do.
    ///
    /// # Errors
    /// When an operator must act.
    pub fn turn(&mut self, wait: Duration) -> Result<(), EngineError> {
        self.answer_looks();
        let wait = if self.can_compute() { Duration::ZERO } else { self.until_due(wait) };
        let event = self.log.poll(wait)?;
        self.meet(event)?;
        self.compute()?;
        self.submit();
        self.let_go()?;
        self.steer();
        self.report();
        Ok(())
    }

    fn now(&self) -> Millis {
        (self.clock)()
    }

    // ---- what the log brings

    fn meet(&mut self, event: LogEvent) -> Result<(), EngineError> {
        match event {
            LogEvent::Idle => {}
            LogEvent::Records(records) => self.backlog.extend(records),
            LogEvent::Assigned(partitions) => self.take_over(&partitions)?,
            LogEvent::Revoked(partitions) => {
                self.observer.partitions_revoked(&partitions);
                self.backlog.drop_partitions(&partitions);
                self.leaving.extend(partitions);
            }
            LogEvent::Lost(partitions) => {
                self.observer.partitions_lost(&partitions);
                self.computed = None;
                self.abandoned = true;
                self.has_lost = true;
                self.backlog.clear();
                self.leaving.extend(partitions);
            }
            LogEvent::Committed { epoch, changelog } => self.committed(epoch, &changelog)?,
            LogEvent::Failed { epoch, error } => self.failed(epoch, &error),
            LogEvent::Changelog { shard, changes, next_offset, remaining } => {
                self.restore(shard, changes, next_offset, remaining)?;
            }
            LogEvent::Restored { shard, next_offset } => self.restored(shard, next_offset)?,
            LogEvent::ChangelogTruncated { shard } => {
                self.observer.changelog_truncated(shard);
                self.store.wipe_shard(shard)?;
                self.begin_restore(shard)?;
            }
        }
        if self.abandoned && self.in_flight.is_none() {
            self.fall_back()?;
        }
        Ok(())
    }

    fn take_over(&mut self, partitions: &[InputPartition]) -> Result<(), EngineError> {
        self.observer.partitions_assigned(partitions);
        self.assigned.extend(partitions);
        self.paused.extend(partitions);
        self.log.assign(partitions);
        for shard in partitions.iter().filter_map(|partition| partition.shard()) {
            self.begin_restore(shard)?;
        }
        Ok(())
    }

    // ---- restoring

    fn begin_restore(&mut self, shard: ShardNumber) -> Result<(), EngineError> {
        let now = self.now();
        let mut opened = self.store.open_shard(shard)?;
        // T5: half of the time for which the changelog keeps deletions, since clocks differ and a restore takes time.
        let is_stale = opened.true_at + self.settings.deletions_kept / 2 < now;
        if opened.next_offset != Offset::START && is_stale {
            self.observer.shard_stale(shard);
            drop(opened);
            self.store.wipe_shard(shard)?;
            opened = self.store.open_shard(shard)?;
        }
        let Opened { rows, next_offset, true_at } = opened;
        let true_at = if next_offset == Offset::START { now } else { true_at };
        self.shards.restore(shard, Restoring { rows, next_offset, true_at, began_at: now, read: 0, remaining: None });
        self.log.restore(shard, next_offset);
        Ok(())
    }

    fn restore(
        &mut self,
        shard: ShardNumber,
        changes: Vec<quell_graph::Change>,
        next_offset: Offset,
        remaining: u64,
    ) -> Result<(), EngineError> {
        let Some(restoring) = self.shards.restoring(shard) else { return Ok(()) };
        restoring.read += changes.len() as u64;
        restoring.next_offset = next_offset;
        restoring.remaining = Some(remaining);
        let true_at = restoring.true_at;
        self.observer.shard_restoring(shard, changes.len() as u64, restoring.read, remaining);
        self.store.write(vec![ShardChanges { shard, changes, next_offset, true_at }])?;
        Ok(())
    }

    fn restored(&mut self, shard: ShardNumber, next_offset: Offset) -> Result<(), EngineError> {
        let Some(restoring) = self.shards.take_restoring(shard) else { return Ok(()) };
        let true_at = restoring.began_at;
        self.store.write(vec![ShardChanges { shard, changes: Vec::new(), next_offset, true_at }])?;
        self.observer.shard_restored(shard, restoring.read);
        match Shard::new(shard, Arc::clone(&self.vocabulary), restoring.rows) {
            Ok(opened) => self.shards.activate(opened),
            Err(OpenError::Read(error)) => return Err(error.into()),
            Err(OpenError::Newer(error)) => return Err(error.into()),
            // Computing on it would lose what cannot be named.
            Err(OpenError::Undeclared(undeclared)) => self.undeclared.extend(undeclared),
        }
        let all_known = self.shards.still_restoring().next().is_none();
        if all_known && !self.undeclared.is_empty() { Err(self.refuse_policy()) } else { Ok(()) }
    }

    fn refuse_policy(&self) -> EngineError {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for undeclared in &self.undeclared {
            *counts.entry(&undeclared.key).or_default() += undeclared.count;
        }
        let said: Vec<String> = counts
            .iter()
            .map(|(key, count)| format!("{key} ({count} identifiers in the shards of this instance)"))
            .collect();
        EngineError::Undeclared(said.join(", "))
    }

    /// Everything that is not in the store is thrown away and, if it was committed after all, read from the changelog.
    fn fall_back(&mut self) -> Result<(), EngineError> {
        self.abandoned = false;
        self.computed = None;
        self.backlog.clear();
        let leaving: Vec<ShardNumber> = self.leaving.iter().filter_map(|partition| partition.shard()).collect();
        let assigned: Vec<InputPartition> = self.assigned.iter().copied().collect();
        self.log.pause(&assigned);
        self.paused.extend(assigned);
        self.log.rewind();
        for shard in self.shards.numbers() {
            if !leaving.contains(&shard) {
                self.begin_restore(shard)?;
            }
        }
        Ok(())
    }

    /// Partitions that the group wants back go once no epoch that used them is under way.
    fn let_go(&mut self) -> Result<(), EngineError> {
        if self.leaving.is_empty() || self.in_flight.is_some() || self.computed.is_some() {
            return Ok(());
        }
        let leaving = std::mem::take(&mut self.leaving);
        if !std::mem::take(&mut self.has_lost) {
            let active = self.shards.active_numbers();
            let shards = leaving.iter().filter_map(|partition| partition.shard());
            let kept: Vec<ShardNumber> = shards.filter(|shard| active.contains(shard)).collect();
            self.store.confirm(&kept, self.now())?;
        }
        for shard in leaving.iter().filter_map(|partition| partition.shard()) {
            self.log.stop_restore(shard);
            self.shards.remove(shard);
        }
        for partition in &leaving {
            self.assigned.remove(partition);
            self.paused.remove(partition);
        }
        self.backlog.drop_partitions(&leaving);
        self.ahead.retain(|partition, _| !leaving.contains(partition));
        self.caution.forget(&leaving);
        self.log.release(&leaving);
        Ok(())
    }

    // ---- epochs

    fn can_compute(&self) -> bool {
        self.computed.is_none()
            && self.leaving.is_empty()
            && !self.abandoned
            && !self.draining
            && self.now() >= self.wait_until
            && self.backlog.next(!self.is_stalled()).is_some()
    }

    fn is_stalled(&self) -> bool {
        self.stalled_until.is_some_and(|until| self.now() < until)
    }

    /// No longer than until the next relaxation is due.
    fn until_due(&mut self, wait: Duration) -> Duration {
        let now = self.now();
        let due = self.shards.active().filter_map(|shard| shard.next_due()).min();
        let review = self.shards.active().any(|shard| shard.revision().is_some()).then_some(self.next_review_at);
        let due = due.into_iter().chain(review).min();
        let until_due = due.map(|due| Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0)));
        // A due relaxation that may not be published yet is looked at again now and then, not all the time.
        until_due.map_or(wait, |until_due| wait.min(until_due.max(DUE_RETRY)))
    }

    fn compute(&mut self) -> Result<(), EngineError> {
        let is_busy = self.computed.is_some() || !self.leaving.is_empty() || self.abandoned || self.draining;
        if is_busy || self.now() < self.wait_until {
            return Ok(());
        }
        self.drafting.clear();
        match catch_unwind(AssertUnwindSafe(|| self.draft())) {
            Ok(computed) => {
                let records = std::mem::take(&mut self.drafting);
                self.computed = computed?.map(|computed| Computed { records, ..computed });
            }
            // No record is to blame.
            Err(panic) if self.drafting.is_empty() => resume_unwind(panic),
            Err(_) => {
                self.observer.epoch_panicked(self.drafting.len());
                self.caution.failed(&self.drafting);
                self.abandoned = true;
            }
        }
        Ok(())
    }

    fn draft(&mut self) -> Result<Option<Computed>, EngineError> {
        let now = self.now();
        if self.stalled_until.is_some_and(|until| now >= until) {
            self.stalled_until = None;
        }
        let mut draft = Draft::default();
        self.take_records(now, &mut draft);
        self.review(now, &mut draft)?;
        self.tell_others(now, &mut draft);
        let due = self.due_shards(now);
        if draft.is_empty() && !draft.reviewed && due.is_empty() {
            return Ok(None);
        }
        let operations = std::mem::take(&mut draft.operations);
        let mut active: BTreeMap<ShardNumber, &mut Shard<S::Shard>> =
            self.shards.active().map(|shard| (shard.number(), shard)).collect();
        let outcome = supersteps::run(&mut active, self.settings.shards, self.threads.as_ref(), operations)?;
        draft.facts.local_operations = outcome.applied;
        draft.facts.count(InputTopic::Acks, EventOutcome::Accepted, outcome.acknowledged);
        draft.facts.count(InputTopic::Acks, EventOutcome::Stale, outcome.stale);
        draft.send(&self.vocabulary, outcome.remote);
        for (number, shard) in active {
            let may_relax = due.contains(&number);
            let pace = Pace { now, relax_after: self.settings.relax_after, may_relax };
            let sealed = shard.seal(pace)?;
            draft.emit(&self.vocabulary, &self.encoder, now, number, sealed).map_err(ComputeError::from)?;
        }
        let number = EpochNumber(self.last_epoch.0 + 1);
        self.last_epoch = number;
        // An epoch without outputs or offsets changed nothing: a relaxation was due and is no longer.
        Ok((!draft.is_empty()).then(|| draft.finish(number)))
    }

    fn take_records(&mut self, now: Millis, draft: &mut Draft) {
        let records_max = if self.caution.is_due() { 1 } else { self.settings.epoch_records_max };
        let (mut records, mut bytes) = (0, 0);
        while records < records_max && bytes < self.settings.epoch_bytes_max {
            let Some(record) = self.backlog.next(self.stalled_until.is_none()) else { break };
            let (source, place) = (record.source, (record.source, record.offset));
            let topic = source.topic;
            let name = self.settings.topic_names.get(&topic).map_or("", String::as_str);
            self.drafting.push(place);
            let taken = if let Some(verdict) = self.caution.verdict(place) {
                Ok(intake::give_up(name, record, verdict))
            } else {
                assert!(!is_poisoned(record, self.settings.poison.as_deref()), "a test has poisoned this record");
                intake::take(&self.decoder, &self.vocabulary, name, now, record)
            };
            let taken = match taken {
                Ok(taken) => taken,
                Err(Stalled::Registry(reason)) => {
                    self.registry_stalled = true;
                    self.observer.registry_stalled(&reason);
                    self.stalled_until = Some(Millis(now.0 + REGISTRY_RETRY_MILLIS));
                    continue;
                }
                Err(Stalled::Ahead(reason)) => {
                    self.observer.partition_ahead(source, &reason);
                    self.ahead.insert(source, reason);
                    self.backlog.drop_partitions(&[source]);
                    continue;
                }
            };
            records += 1;
            bytes += bytes_of(record);
            draft.next_offsets.insert(source, record.offset.next());
            let (count, earliest) = draft.facts.taken.entry(source).or_insert((0, record.timestamp));
            *count += 1;
            *earliest = record.timestamp.min(*earliest);
            if let Some(policy) = taken.policy {
                self.others.saw(policy, record.timestamp);
            }
            if topic != InputTopic::Graph {
                draft.facts.events += 1;
                self.registry_answered();
            }
            draft.operations.extend(taken.operations);
            if let Some(outcome) = taken.outcome {
                draft.facts.count(topic, outcome, 1);
            }
            if let Some((code, letter)) = taken.dead_letter {
                *draft.facts.dead_letters.entry(code).or_default() += 1;
                draft.outputs.push(letter);
            }
            self.backlog.take(self.stalled_until.is_none());
        }
    }

    /// Takes up a changed policy, some nodes at a time.
    fn review(&mut self, now: Millis, draft: &mut Draft) -> Result<(), EngineError> {
        let revising = self.shards.active().filter(|shard| shard.revision().is_some()).count();
        if revising == 0 || now < self.next_review_at {
            return Ok(());
        }
        let origin = Arc::new(Origin { timestamp: now, traceparent: None });
        let mut reviewed = 0;
        for shard in self.shards.active() {
            reviewed += shard.review(REVIEWED_MAX.div_ceil(revising), &origin, &mut draft.operations)?;
        }
        let pause = Duration::from_secs_f64(reviewed as f64 / f64::from(self.settings.review_rate.max(1)));
        self.next_review_at = now + pause.max(Duration::from_millis(1));
        draft.reviewed = true;
        Ok(())
    }

    /// Tells the owners of the other shards which policy is run here.
    fn tell_others(&mut self, now: Millis, draft: &mut Draft) {
        let ours: BTreeSet<ShardNumber> = self.shards.numbers().into_iter().collect();
        if !ours.is_empty() && ours.len() < self.settings.shards.get() as usize && self.others.is_time_to_tell(now) {
            draft.tell(&self.vocabulary, self.settings.shards.shards().filter(|shard| !ours.contains(shard)));
        }
    }

    fn registry_answered(&mut self) {
        if self.registry_stalled {
            self.registry_stalled = false;
            self.observer.registry_answered();
        }
    }

    fn policies_differ(&self) -> bool {
        !self.ahead.is_empty() || self.others.differ(self.now())
    }

    /// The shards that may relax now, and have something that is due: not those for which messages wait, and none while
    /// instances disagree about the policy.
    fn due_shards(&mut self, now: Millis) -> BTreeSet<ShardNumber> {
        if self.policies_differ() {
            return BTreeSet::new();
        }
        let (log, backlog) = (&self.log, &self.backlog);
        self.shards
            .active()
            .filter(|shard| shard.next_due().is_some_and(|due| due <= now))
            .map(|shard| shard.number())
            .filter(|number| {
                let partition = InputPartition::of_shard(*number);
                log.undelivered(partition) == Some(0) && !backlog.has_graph_records_of(partition)
            })
            .collect()
    }

    fn submit(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        if let Some(mut computed) = self.computed.take() {
            let prepared = std::mem::replace(
                &mut computed.prepared,
                crate::log::PreparedEpoch { number: EpochNumber(0), next_offsets: Vec::new(), outputs: Vec::new() },
            );
            computed.prepared.number = prepared.number;
            self.log.commit(prepared);
            self.in_flight = Some(computed);
        }
    }

    fn committed(&mut self, epoch: EpochNumber, changelog: &[(ShardNumber, Offset)]) -> Result<(), EngineError> {
        let Some(computed) = self.in_flight.take_if(|computed| computed.prepared.number == epoch) else {
            return Ok(());
        };
        self.failures = 0;
        self.caution.passed(&computed.records);
        let next_offsets: BTreeMap<ShardNumber, Offset> = changelog.iter().copied().collect();
        let true_at = self.now();
        let mut settled = Vec::with_capacity(computed.writes.len());
        let mut changes = Vec::with_capacity(computed.writes.len());
        for write in computed.writes {
            // One that was taken away and given back meanwhile is being restored, from rows that may be older: it reads
            // these changes in its changelog (T2).
            if self.shards.active_shard(write.shard).is_none() {
                continue;
            }
            settled.push((write.shard, write.sequence));
            if let Some(next_offset) = next_offsets.get(&write.shard) {
                let (shard, changes_of_it) = (write.shard, write.changes);
                changes.push(ShardChanges { shard, changes: changes_of_it, next_offset: *next_offset, true_at });
            }
        }
        self.store.write(changes)?;
        if true_at >= self.confirm_at {
            // The commit has proved that every shard is still ours.
            self.confirm_at = true_at + CONFIRM_EVERY;
            self.store.confirm(&self.shards.active_numbers(), true_at)?;
        }
        for (number, sequence) in settled {
            if let Some(shard) = self.shards.active_shard(number) {
                shard.settle(sequence, self.settings.cached_nodes_max);
            }
        }
        self.observer.epoch_committed(epoch, &computed.facts, self.now());
        Ok(())
    }

    fn failed(&mut self, epoch: EpochNumber, error: &CommitError) {
        if let Some(computed) = self.in_flight.take_if(|computed| computed.prepared.number == epoch) {
            self.observer.epoch_failed(epoch, error);
            self.abandoned = true;
            if matches!(error, CommitError::TooLarge(_)) {
                self.caution.failed(&computed.records);
            }
            let wait = BACK_OFF.get(self.failures.min(BACK_OFF.len() - 1)).copied().unwrap_or_default();
            self.failures += 1;
            self.wait_until = self.now() + wait;
        }
    }

    // ---- flow

    /// Lets flow what can be taken: graph messages to active shards, inputs when nothing holds them.
    fn steer(&mut self) {
        let hold = self.hold();
        if hold != self.held {
            self.held = hold;
            if let Some(why) = hold {
                self.observer.inputs_held(why);
            }
        }
        let restoring: BTreeSet<ShardNumber> = self.shards.still_restoring().map(|(shard, _)| shard).collect();
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for partition in &self.assigned {
            let is_paused = self.paused.contains(partition);
            let flows = match partition.shard() {
                Some(_) if self.ahead.contains_key(partition) => false,
                // They may take as much room again as the inputs, so that they never wait for these.
                Some(shard) => !restoring.contains(&shard) && self.backlog.bytes() < 2 * self.room(is_paused),
                None => hold.is_none(),
            };
            if flows == is_paused {
                if flows { resume.push(*partition) } else { pause.push(*partition) }
            }
        }
        if !pause.is_empty() {
            self.paused.extend(&pause);
            self.log.pause(&pause);
        }
        if !resume.is_empty() {
            self.paused.retain(|partition| !resume.contains(partition));
            self.log.resume(&resume);
        }
    }

    /// What keeps the inputs from being read, if anything.
    fn hold(&self) -> Option<Hold> {
        let is_held = self.held.is_some();
        // What is for a shard that is being restored waits in the graph topic: fine for some shards, so that those that
        // stay keep working while others move; but with most of them away, all would only be written twice.
        if 2 * self.shards.still_restoring().count() > self.shards.count() {
            return Some(Hold::Restoring);
        }
        // The graph's messages are what earlier inputs have set off. Whoever takes in more before they are through only
        // gets further behind.
        let graph = self.assigned.iter().filter(|partition| partition.shard().is_some());
        let undelivered: u64 = graph.filter_map(|partition| self.log.undelivered(*partition)).sum();
        let behind = undelivered + self.backlog.graph_records();
        let behind_max = self.settings.graph_behind_max;
        if behind > if is_held { behind_max / 2 } else { behind_max } {
            return Some(Hold::GraphBehind);
        }
        (self.backlog.bytes() >= self.room(is_held)).then_some(Hold::Full)
    }

    /// How many bytes of records may wait. Once paused, half of it must have been taken: not on and off with every
    /// record.
    fn room(&self, is_paused: bool) -> usize {
        let full = self.settings.backlog_bytes_max;
        if is_paused { full / 2 } else { full }
    }

    // ---- looks from outside

    fn answer_looks(&mut self) {
        while let Ok(request) = self.looks.try_recv() {
            let number = request.identifier.shard(self.settings.shards);
            let looked = match self.shards.active_shard(number) {
                Some(shard) => shard
                    .look(&request.identifier, request.edges_max)
                    .map_err(|error| LookError::Failed(error.to_string())),
                None => Err(LookError::NotHere(number.0)),
            };
            // Whoever asked may have gone.
            drop(request.answer.try_send(looked));
        }
    }

    fn report(&mut self) {
        let waiting_for = self.waiting_for();
        let ready = waiting_for.is_empty();
        self.handle.set_readiness(Readiness { ready, waiting_for, shards_owned: self.shards.count() });
        if !self.observer.wants_progress() {
            return;
        }
        let mut uncommitted = self.backlog.waiting();
        for facts in [&self.computed, &self.in_flight].into_iter().flatten().map(|computed| &computed.facts) {
            for (partition, (count, earliest)) in &facts.taken {
                let (waiting, first) = uncommitted.entry(*partition).or_insert((0, *earliest));
                *waiting += count;
                *first = (*first).min(*earliest);
            }
        }
        let counters = self.shards.active().map(|shard| shard.counters().clone()).collect();
        let progress = Progress {
            now: self.now(),
            shards_owned: self.shards.count(),
            shards_restoring: self.shards.still_restoring().count(),
            uncommitted,
            undelivered: self.assigned.iter().map(|partition| (*partition, self.log.undelivered(*partition))).collect(),
            counters,
            store_bytes: self.store.bytes(),
            to_be_reviewed: self.shards.active().map(|shard| shard.to_be_reviewed()).sum(),
            policies_differ: self.policies_differ(),
        };
        self.observer.progress(&progress);
    }

    fn waiting_for(&self) -> Vec<String> {
        let mut waiting_for = Vec::new();
        if self.draining {
            waiting_for.push("its own end: it is stopping".to_owned());
        }
        if self.assigned.is_empty() && !self.log.has_joined() {
            waiting_for.push("the group to assign partitions".to_owned());
        }
        for (shard, remaining) in self.shards.still_restoring() {
            waiting_for.push(match remaining {
                Some(remaining) => format!("shard {shard} to be restored: about {remaining} records to go"),
                None => format!("shard {shard} to be restored"),
            });
        }
        waiting_for
            .extend(self.ahead.values().map(|reason| format!("the same policy and version everywhere: {reason}")));
        if self.is_stalled() {
            waiting_for.push("the schema registry to answer".to_owned());
        }
        waiting_for
    }
}

/// Whether a test wants this record to make the engine panic.
fn is_poisoned(record: &Record, poison: Option<&[u8]>) -> bool {
    let (Some(value), Some(poison)) = (&record.value, poison) else { return false };
    !poison.is_empty() && value.windows(poison.len()).any(|bytes| bytes == poison)
}
