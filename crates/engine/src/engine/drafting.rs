//! The next epoch: which records it takes, what else is due, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_graph::{Origin, Pace, Shard};

use super::{Engine, EngineError};
use crate::backlog::bytes_of;
use crate::epoch::{ComputeError, Computed, Draft};
use crate::intake::{self, EventOutcome, Stalled};
use crate::log::{EpochNumber, InputPartition, InputTopic, Log, Record};
use crate::store::Store;
use crate::supersteps;

/// How long a record waits before its schema is asked for again when the registry did not answer.
const REGISTRY_RETRY_MILLIS: i64 = 1_000;

/// How often a relaxation that is due, but may not be published yet, is looked at again.
const DUE_RETRY: Duration = Duration::from_millis(20);

/// How many nodes an epoch reviews under a changed policy at most, so that it delays nobody.
const REVIEWED_MAX: usize = 1_000;

impl<L: Log, S: Store> Engine<L, S> {
    pub(super) fn can_compute(&self) -> bool {
        self.may_compute() && self.backlog.next(!self.is_stalled()).is_some()
    }

    /// While an epoch is being committed, the next is computed only once as many records wait as that one has, or as many
    /// bytes as an epoch takes. Sooner, it would hold few of them, and whatever came meanwhile would wait for both commits;
    /// later, records come faster than computing and committing one after the other can take them.
    fn may_compute(&self) -> bool {
        self.computed.is_none()
            && self.leaving.is_empty()
            && !self.abandoned
            && !self.draining
            && self.now() >= self.wait_until
            && self.in_flight.as_ref().is_none_or(|ahead| {
                let records = ahead.records.len();
                (records > 0 && self.backlog.records() >= records)
                    || self.backlog.bytes() >= self.settings.epoch_bytes_max
            })
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled_until.is_some_and(|until| self.now() < until)
    }

    /// No longer than until the next relaxation is due.
    pub(super) fn until_due(&mut self, wait: Duration) -> Duration {
        let now = self.now();
        let due = self.shards.active().filter_map(|shard| shard.next_due()).min();
        let review = self.shards.active().any(|shard| shard.revision().is_some()).then_some(self.next_review_at);
        let due = due.into_iter().chain(review).min();
        let until_due = due.map(|due| Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0)));
        // A due relaxation that may not be published yet is looked at again now and then, not all the time.
        until_due.map_or(wait, |until_due| wait.min(until_due.max(DUE_RETRY)))
    }

    pub(super) fn compute(&mut self) -> Result<(), EngineError> {
        if !self.may_compute() {
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
        self.waves.take(&draft.next_offsets);
        self.set_waves(now);
        self.review(now, &mut draft)?;
        self.tell_others(now, &mut draft);
        let due = self.due_shards(now);
        let reaches_the_ends = self.reaches_the_ends();
        if draft.is_empty() && !draft.reviewed && due.is_empty() && !reaches_the_ends {
            return Ok(None);
        }
        let operations = std::mem::take(&mut draft.operations);
        let mut active: BTreeMap<ShardNumber, &mut Shard<S::Shard>> =
            self.shards.active().map(|shard| (shard.number(), shard)).collect();
        let outcome = supersteps::run(&mut active, self.settings.shards, self.threads.as_ref(), operations)?;
        draft.facts.local_operations = outcome.applied;
        draft.facts.count(InputTopic::Acks, EventOutcome::Accepted, outcome.acknowledged);
        draft.facts.count(InputTopic::Acks, EventOutcome::Stale, outcome.stale);
        if !outcome.remote.is_empty() {
            self.waves.send();
        }
        draft.send(&self.vocabulary, outcome.remote);
        let pace = |number: ShardNumber| Pace {
            now,
            relax_after: self.settings.relax_after,
            may_relax: due.contains(&number),
        };
        let sealed = supersteps::seal(active, self.threads.as_ref(), outcome.applied, pace)?;
        for (number, sealed) in sealed {
            draft.emit(&self.vocabulary, &self.encoder, now, number, sealed).map_err(ComputeError::from)?;
        }
        if reaches_the_ends {
            self.report_wave(now, &mut draft);
        }
        let number = EpochNumber(self.last_epoch.0 + 1);
        self.last_epoch = number;
        // An epoch without outputs, offsets or changes did nothing: a relaxation was due and is no longer.
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
                let wave = self.waves.of_input(source, record.offset);
                intake::take(&self.decoder, &self.vocabulary, name, now, record, wave)
            };
            let taken = match taken {
                Ok(taken) => taken,
                Err(Stalled::Registry(reason)) => {
                    self.drafting.pop();
                    self.registry_stalled = true;
                    self.observer.registry_stalled(&reason);
                    self.stalled_until = Some(Millis(now.0 + REGISTRY_RETRY_MILLIS));
                    continue;
                }
                Err(Stalled::Ahead(reason)) => {
                    self.drafting.pop();
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
            if topic == InputTopic::Graph {
                taken.operations.iter().for_each(|operation| self.waves.take_message(operation.origin.wave));
            } else {
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
        // W1: what it takes back belongs to a wave, like what an event takes back.
        let origin = Arc::new(Origin { timestamp: now, traceparent: None, wave: self.waves.of_now() });
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

    pub(super) fn policies_differ(&self) -> bool {
        !self.ahead.is_empty() || self.others.differ(self.now())
    }

    /// The shards that may relax now, and have something that is due: not those for which messages wait (those that are
    /// on their way from others: W4), and none while instances disagree about the policy.
    fn due_shards(&mut self, now: Millis) -> BTreeSet<ShardNumber> {
        if self.policies_differ() {
            return BTreeSet::new();
        }
        let relaxes_through = self.waves.relaxes_through(now);
        let (log, backlog) = (&self.log, &self.backlog);
        self.shards
            .active()
            .filter(|shard| shard.next_due().is_some_and(|due| due <= relaxes_through))
            .map(|shard| shard.number())
            .filter(|number| {
                let partition = InputPartition::of_shard(*number);
                log.undelivered(partition) == Some(0) && !backlog.has_records_of(partition)
            })
            .collect()
    }
}

/// Whether a test wants this record to make the engine panic.
fn is_poisoned(record: &Record, poison: Option<&[u8]>) -> bool {
    let (Some(value), Some(poison)) = (&record.value, poison) else { return false };
    !poison.is_empty() && value.windows(poison.len()).any(|bytes| bytes == poison)
}
