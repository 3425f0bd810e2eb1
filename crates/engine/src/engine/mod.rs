//! The engine: one thread that takes what the log brings, computes epochs, and has them committed.
//!
//! While one epoch is being committed, the next is computed on top of what it has not yet written, once enough waits for
//! it. If a commit fails, both are thrown away, every shard reads the tail of its changelog again, and the instance goes
//! back to the committed offsets.

mod drafting;
mod flow;
mod restoring;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use quell_domain::{Millis, Policy, ShardCount, ShardNumber};
use quell_graph::{NewerFormat, ReadError, Undeclared, Vocabulary};
use quell_wire::{Decoder, Encoder};

use crate::backlog::Backlog;
use crate::caution::{Caution, Place};
use crate::epoch::{ComputeError, Computed};
use crate::handle::{Handle, LookError, LookRequest, Readiness};
use crate::log::{CommitError, EpochNumber, InputPartition, InputTopic, Log, LogError, LogEvent, Offset};
use crate::observer::{Hold, Observer, Progress};
use crate::others::Others;
use crate::shard_life::Shards;
use crate::store::{ShardChanges, Store, StoreError};
use crate::waves::Waves;

/// How often it is noted that what is stored of idle shards is true.
const CONFIRM_EVERY: Duration = Duration::from_secs(600);

/// How long to wait after so many failures in a row before the next epoch is tried.
const BACK_OFF: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

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
    /// How often it is said how far all has come, at the most.
    pub watermark_every: Duration,
    /// `topics.watermarks`, by which a schema registry knows their schema.
    pub watermarks: String,
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
    /// Shards of others of which a warm copy is kept: its rows are of this time until the changelog's end is reached.
    standbys: BTreeMap<ShardNumber, Millis>,
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
    waves: Waves,
    /// For tests: see [`Engine::repeat_nothing`].
    repeats_nothing: bool,
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
        let waves = Waves::new(settings.shards, settings.watermark_every);
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
            standbys: BTreeMap::new(),
            backlog: Backlog::default(),
            ahead: BTreeMap::new(),
            drafting: Vec::new(),
            caution: Caution::default(),
            failures: 0,
            wait_until: Millis(0),
            others: Others::new(fingerprint),
            waves,
            repeats_nothing: false,
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

    /// For tests: see [`quell_graph::Shard::repeat_nothing`]. Holds for shards that are restored from now on.
    pub fn repeat_nothing(&mut self) {
        self.repeats_nothing = true;
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
        self.look();
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
            LogEvent::Changelog(pieces) => self.restore(pieces)?,
            LogEvent::Restored { shard, next_offset } => self.restored(shard, next_offset)?,
            LogEvent::ChangelogTruncated { shard } => self.begin_anew(shard)?,
            LogEvent::StandBy(shards) => self.stand_by(shards)?,
            LogEvent::Watermarks(records) => self.hear_of_waves(&records),
            LogEvent::Looked(ends) => self.waves.looked(ends),
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
        self.waves.forget();
        for shard in partitions.iter().filter_map(|partition| partition.shard()) {
            self.begin_restore(shard)?;
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
        self.waves.release(&leaving);
        self.log.release(&leaving);
        Ok(())
    }

    // ---- committing

    fn submit(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        if let Some(mut computed) = self.computed.take()
            && let Some(prepared) = computed.prepared.take()
        {
            self.log.commit(prepared);
            self.in_flight = Some(computed);
        }
    }

    fn committed(&mut self, epoch: EpochNumber, changelog: &[(ShardNumber, Offset)]) -> Result<(), EngineError> {
        let Some(computed) = self.in_flight.take_if(|computed| computed.number == epoch) else {
            return Ok(());
        };
        self.failures = 0;
        self.caution.passed(&computed.records);
        let next_offsets: BTreeMap<ShardNumber, Offset> = changelog.iter().copied().collect();
        let true_at = self.now();
        let mut settled = Vec::with_capacity(computed.writes.len());
        let mut changes = Vec::with_capacity(computed.writes.len());
        for write in Arc::unwrap_or_clone(computed.writes) {
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
        if let Some(computed) = self.in_flight.take_if(|computed| computed.number == epoch) {
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
            shards: self.shard_states(),
            uncommitted,
            undelivered: self.assigned.iter().map(|partition| (*partition, self.log.undelivered(*partition))).collect(),
            counters,
            store_bytes: self.store.bytes(),
            to_be_reviewed: self.shards.active().map(|shard| shard.to_be_reviewed()).sum(),
            complete_through: self.waves.complete().map(|complete| complete.through),
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
        let now = self.now();
        for (shard, restoring) in self.shards.still_restoring() {
            waiting_for.push(match (restoring.remaining, restoring.time_left(now)) {
                (Some(remaining), Some(time_left)) => {
                    let seconds = time_left.as_secs_f64().ceil();
                    format!("shard {shard} to be restored: about {remaining} records to go, {seconds} s")
                }
                (Some(remaining), None) => format!("shard {shard} to be restored: about {remaining} records to go"),
                (None, _) => format!("shard {shard} to be restored"),
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
