//! What the engine says becomes lines and metrics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quell_domain::{Millis, ShardNumber};
use quell_engine::epoch::Facts;
use quell_engine::intake::EventOutcome;
use quell_engine::log::{CommitError, EpochNumber, InputPartition};
use quell_engine::observer::{Hold, Observer, Progress, ShardState};
use quell_graph::RetractionCause;
use quell_kafka::{INPUTS, Topics};
use quell_telemetry::events::{
    ChangelogRead, ChangelogTruncated, EpochCommitted, EpochFailed, EpochPanicked, InputsPaused, PartitionAhead,
    PartitionLag, PartitionsAssigned, PartitionsLost, PartitionsRevoked, PoliciesCompared, ProgressReported,
    Propagated, Refusals, RegistryBack, RegistryUnavailable, RestoreProgressed, RevisionProgressed, ShardRestored,
    ShardStale, StandingBy, TopicLag,
};
use quell_telemetry::{CommitFailure, Direction, Event, InputPause, Metrics, Outcome, RelaxationCause, Throttle};

/// How often the gauges are set.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How often what goes on is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How often a restore says how far it has come.
const RESTORE_EVERY: Duration = Duration::from_secs(2);

/// From the engine's words to telemetry's.
pub struct TelemetryObserver {
    metrics: Metrics,
    topics: Topics,
    refusals: Refusals,
    progress: Throttle,
    registry: Throttle,
    restores: BTreeMap<ShardNumber, Throttle>,
    revision: Throttle,
    is_revising: bool,
    policies_differ: bool,
}

impl TelemetryObserver {
    pub fn new(metrics: Metrics, topics: Topics) -> Self {
        Self {
            metrics,
            topics,
            refusals: Refusals::default(),
            progress: Throttle::new(PROGRESS_EVERY),
            registry: Throttle::new(SAY_EVERY),
            restores: BTreeMap::new(),
            revision: Throttle::new(RESTORE_EVERY),
            is_revising: false,
            policies_differ: false,
        }
    }

    fn named<'a>(&'a self, partitions: &[InputPartition]) -> Vec<(&'a str, u32)> {
        partitions.iter().map(|partition| (self.topics.input(partition.topic), partition.partition)).collect()
    }

    fn lag(&self, progress: &Progress) -> Vec<TopicLag<'_>> {
        let mut lag = Vec::new();
        for topic in INPUTS {
            let ours: Vec<(u32, Option<u64>)> = progress
                .undelivered
                .iter()
                .filter(|(partition, _)| partition.topic == topic)
                .map(|(partition, undelivered)| {
                    let uncommitted = progress.uncommitted.get(partition).map_or(0, |(records, _)| *records);
                    (partition.partition, undelivered.map(|undelivered| undelivered + uncommitted))
                })
                .collect();
            if ours.is_empty() {
                continue;
            }
            let uncommitted = progress.uncommitted.iter().filter(|(partition, _)| partition.topic == topic);
            let oldest = uncommitted.map(|(_, (_, earliest))| *earliest).min();
            let none_left = ours.iter().all(|(_, records)| *records == Some(0));
            lag.push(TopicLag {
                topic: self.topics.input(topic),
                seconds: match oldest {
                    Some(oldest) => Some(seconds_between(oldest, progress.now)),
                    None if none_left => Some(0.0),
                    None => None,
                },
                partitions: ours.into_iter().map(|(partition, records)| PartitionLag { partition, records }).collect(),
            });
        }
        lag
    }
}

fn seconds_between(from: Millis, until: Millis) -> f64 {
    Duration::from_millis(u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0)).as_secs_f64()
}

impl Observer for TelemetryObserver {
    fn partitions_assigned(&mut self, partitions: &[InputPartition]) {
        PartitionsAssigned { partitions: &self.named(partitions) }.emit(&self.metrics);
    }

    fn partitions_revoked(&mut self, partitions: &[InputPartition]) {
        PartitionsRevoked { partitions: &self.named(partitions) }.emit(&self.metrics);
    }

    fn partitions_lost(&mut self, partitions: &[InputPartition]) {
        PartitionsLost { partitions: &self.named(partitions) }.emit(&self.metrics);
    }

    fn changelog_read(&mut self, records: u64) {
        ChangelogRead { records }.emit(&self.metrics);
    }

    fn shard_restoring(&mut self, shard: ShardNumber, passed: u64, remaining: u64, time_left: Option<Duration>) {
        if self.restores.entry(shard).or_insert(Throttle::new(RESTORE_EVERY)).passes(Instant::now()) {
            RestoreProgressed { shard, passed, remaining, time_left }.emit(&self.metrics);
        }
    }

    fn standing_by(&mut self, shards: &[ShardNumber]) {
        StandingBy { shards }.emit(&self.metrics);
    }

    fn shard_restored(&mut self, shard: ShardNumber, read: u64) {
        self.restores.remove(&shard);
        ShardRestored { shard, read }.emit(&self.metrics);
    }

    fn changelog_truncated(&mut self, shard: ShardNumber) {
        ChangelogTruncated { shard }.emit(&self.metrics);
    }

    fn shard_stale(&mut self, shard: ShardNumber) {
        ShardStale { shard }.emit(&self.metrics);
    }

    fn epoch_committed(&mut self, epoch: EpochNumber, facts: &Facts, now: Millis) {
        let mut relaxations: BTreeMap<RelaxationCause, u64> = BTreeMap::new();
        for cause in &facts.relaxed {
            *relaxations.entry(relaxation(*cause)).or_default() += 1;
        }
        let outcomes = facts.outcomes.iter();
        let suppressions = facts.suppressions.iter();
        EpochCommitted {
            epoch: epoch.0,
            committed_at: now,
            took: facts.began.elapsed(),
            events: facts.events,
            outcomes: &outcomes
                .map(|((topic, outcome), count)| (self.topics.input(*topic), outcome_of(*outcome), *count))
                .collect::<Vec<_>>(),
            dead_letters: &facts.dead_letters.iter().map(|(code, count)| (*code, *count)).collect::<Vec<_>>(),
            suppressions: &suppressions
                .map(|(downstream, direction, caused_at)| Propagated {
                    downstream: *downstream,
                    direction: direction_of(*direction),
                    caused_at: *caused_at,
                })
                .collect::<Vec<_>>(),
            relaxations: &relaxations.into_iter().collect::<Vec<_>>(),
            local_messages: facts.local_operations,
            remote_messages: facts.remote_operations,
        }
        .emit(&self.metrics);
        for (code, count) in &facts.dead_letters {
            self.refusals.add(*code, *count);
        }
        self.say_refusals();
    }

    fn epoch_failed(&mut self, epoch: EpochNumber, error: &CommitError) {
        let failure = match error {
            CommitError::Fenced(_) => CommitFailure::Fenced,
            CommitError::Aborted(_) | CommitError::TooLarge(_) => CommitFailure::Aborted,
            CommitError::Ambiguous(_) => CommitFailure::Ambiguous,
        };
        EpochFailed { epoch: epoch.0, failure, reason: &error.to_string() }.emit(&self.metrics);
    }

    fn epoch_panicked(&mut self, records: usize) {
        EpochPanicked { records }.emit(&self.metrics);
    }

    fn partition_ahead(&mut self, partition: InputPartition, reason: &str) {
        PartitionAhead { partition: partition.partition, reason }.emit(&self.metrics);
    }

    fn inputs_held(&mut self, why: Hold) {
        let reason = match why {
            Hold::Restoring => InputPause::Restoring,
            Hold::GraphBehind => InputPause::GraphBehind,
            Hold::Full => InputPause::Full,
        };
        InputsPaused { reason }.emit(&self.metrics);
    }

    fn registry_stalled(&mut self, reason: &str) {
        if self.registry.passes(Instant::now()) {
            RegistryUnavailable { reason }.emit(&self.metrics);
        }
    }

    fn registry_answered(&mut self) {
        self.registry.reset();
        RegistryBack.emit(&self.metrics);
    }

    fn wants_progress(&mut self) -> bool {
        self.progress.passes(Instant::now())
    }

    fn progress(&mut self, progress: &Progress) {
        let mut hubs: BTreeMap<&str, u64> = BTreeMap::new();
        let mut unacknowledged: BTreeMap<&str, u64> = BTreeMap::new();
        for counters in &progress.counters {
            counters.hubs.iter().for_each(|(name, count)| *hubs.entry(name).or_default() += count);
            let waiting = counters.unacknowledged.iter();
            waiting.for_each(|(name, count)| *unacknowledged.entry(name).or_default() += count);
        }
        ProgressReported {
            shards: progress.shards.iter().map(|(shard, state)| (*shard, state_of(*state))).collect(),
            lag: self.lag(progress),
            hubs: hubs.into_iter().collect(),
            unacknowledged: unacknowledged.into_iter().collect(),
            deferred_relaxations: progress.counters.iter().map(|counters| counters.held).sum(),
            to_be_reviewed: progress.to_be_reviewed,
            complete_through: progress.complete_through,
            store_bytes: progress.store_bytes,
        }
        .emit(&self.metrics);
        self.say_policies(progress);
        self.say_refusals();
    }
}

impl TelemetryObserver {
    fn say_policies(&mut self, progress: &Progress) {
        if std::mem::replace(&mut self.policies_differ, progress.policies_differ) != progress.policies_differ {
            PoliciesCompared { differ: progress.policies_differ }.emit(&self.metrics);
        }
        let was_revising = std::mem::replace(&mut self.is_revising, progress.to_be_reviewed > 0);
        let is_over = was_revising && !self.is_revising;
        if is_over || (self.is_revising && self.revision.passes(Instant::now())) {
            RevisionProgressed { to_be_reviewed: progress.to_be_reviewed }.emit(&self.metrics);
        }
    }

    fn say_refusals(&mut self) {
        if let Some(refused) = self.refusals.due(Instant::now()) {
            refused.emit(&self.metrics);
        }
    }
}

fn outcome_of(outcome: EventOutcome) -> Outcome {
    match outcome {
        EventOutcome::Accepted => Outcome::Accepted,
        EventOutcome::Partial => Outcome::Partial,
        EventOutcome::Refused => Outcome::Refused,
        EventOutcome::Stale => Outcome::Stale,
    }
}

fn state_of(state: ShardState) -> quell_telemetry::events::ShardState {
    match state {
        ShardState::Standby => quell_telemetry::events::ShardState::Standby,
        ShardState::Restoring { remaining, time_left } => {
            quell_telemetry::events::ShardState::Restoring { remaining, time_left }
        }
        ShardState::Active => quell_telemetry::events::ShardState::Active,
    }
}

fn direction_of(direction: quell_graph::Direction) -> Direction {
    match direction {
        quell_graph::Direction::Restrict => Direction::Restrict,
        quell_graph::Direction::Relax => Direction::Relax,
    }
}

fn relaxation(cause: RetractionCause) -> RelaxationCause {
    match cause {
        RetractionCause::OptIn => RelaxationCause::OptIn,
        RetractionCause::Unlink => RelaxationCause::Unlink,
        RetractionCause::Hub => RelaxationCause::Hub,
        RetractionCause::Policy => RelaxationCause::Policy,
    }
}
