//! Shards become what their changelogs say: those that this instance owns, once, before they compute; those that it
//! stands by for, all the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use quell_domain::{Millis, ShardNumber};
use quell_graph::{OpenError, Shard};

use super::{Engine, EngineError};
use crate::log::{InputPartition, Log, Offset, Piece};
use crate::observer::ShardState;
use crate::shard_life::Restoring;
use crate::store::{Opened, ShardChanges, Store};

impl<L: Log, S: Store> Engine<L, S> {
    pub(super) fn begin_restore(&mut self, shard: ShardNumber) -> Result<(), EngineError> {
        self.standbys.remove(&shard);
        let Opened { rows, next_offset, true_at } = self.open(shard)?;
        let began_at = self.now();
        let restoring = Restoring { rows, from: next_offset, next_offset, true_at, began_at, read: 0, remaining: None };
        self.shards.restore(shard, restoring);
        self.log.restore(shard, next_offset);
        Ok(())
    }

    /// What is stored of a shard, if its changelog can bring it up to date; else nothing.
    fn open(&mut self, shard: ShardNumber) -> Result<Opened<S::Shard>, EngineError> {
        let now = self.now();
        let mut opened = self.store.open_shard(shard)?;
        if opened.next_offset != Offset::START && self.is_stale(opened.true_at) {
            self.observer.shard_stale(shard);
            drop(opened);
            self.store.wipe_shard(shard)?;
            opened = self.store.open_shard(shard)?;
        }
        let true_at = if opened.next_offset == Offset::START { now } else { opened.true_at };
        Ok(Opened { true_at, ..opened })
    }

    /// T5: half of the time for which the changelog keeps deletions, since clocks differ and a restore takes time.
    fn is_stale(&self, true_at: Millis) -> bool {
        true_at + self.settings.deletions_kept / 2 < self.now()
    }

    /// The changelog does not reach back to what is stored.
    pub(super) fn begin_anew(&mut self, shard: ShardNumber) -> Result<(), EngineError> {
        self.observer.changelog_truncated(shard);
        self.store.wipe_shard(shard)?;
        if self.standbys.contains_key(&shard) { self.begin_to_follow(shard) } else { self.begin_restore(shard) }
    }

    /// Stores what was read of changelogs.
    pub(super) fn restore(&mut self, pieces: Vec<Piece>) -> Result<(), EngineError> {
        let now = self.now();
        let mut writes = Vec::with_capacity(pieces.len());
        let (mut records, mut stale) = (0, Vec::new());
        for Piece { shard, changes, next_offset, remaining } in pieces {
            let read = changes.len() as u64;
            let true_at = if let Some(restoring) = self.shards.restoring(shard) {
                restoring.read += read;
                restoring.next_offset = next_offset;
                restoring.remaining = Some(remaining);
                let (passed, time_left) = (restoring.passed(), restoring.time_left(now));
                self.observer.shard_restoring(shard, passed, remaining, time_left);
                restoring.true_at
            } else if let Some(true_at) = self.standbys.get(&shard).copied() {
                // Read too late, its end makes nothing true again: deletions may be missing in what was read.
                if self.is_stale(true_at) {
                    stale.push(shard);
                    continue;
                }
                let true_at = if remaining == 0 { now } else { true_at };
                self.standbys.insert(shard, true_at);
                true_at
            } else {
                continue;
            };
            records += read;
            writes.push(ShardChanges { shard, changes, next_offset, true_at });
        }
        self.store.restore(writes)?;
        self.observer.changelog_read(records);
        for shard in stale {
            self.observer.shard_stale(shard);
            self.store.wipe_shard(shard)?;
            self.begin_to_follow(shard)?;
        }
        Ok(())
    }

    pub(super) fn restored(&mut self, shard: ShardNumber, next_offset: Offset) -> Result<(), EngineError> {
        let Some(restoring) = self.shards.take_restoring(shard) else { return Ok(()) };
        let true_at = restoring.began_at;
        self.store.write(vec![ShardChanges { shard, changes: Vec::new(), next_offset, true_at }])?;
        self.observer.shard_restored(shard, restoring.read);
        match Shard::new(shard, Arc::clone(&self.vocabulary), restoring.rows) {
            Ok(mut opened) => {
                if self.repeats_nothing {
                    opened.repeat_nothing();
                }
                self.shards.activate(opened);
            }
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
    pub(super) fn fall_back(&mut self) -> Result<(), EngineError> {
        self.abandoned = false;
        self.computed = None;
        self.waves.forget();
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

    // ---- warm copies

    /// Keeps warm copies of these shards of others, and of no more.
    pub(super) fn stand_by(&mut self, wanted: Vec<ShardNumber>) -> Result<(), EngineError> {
        // The group's news may be older than what it has told us ourselves.
        let owned = self.shards.numbers();
        let wanted: Vec<ShardNumber> = wanted.into_iter().filter(|shard| !owned.contains(shard)).collect();
        let kept: Vec<ShardNumber> = self.standbys.keys().copied().collect();
        let unwanted: Vec<ShardNumber> =
            self.standbys.keys().filter(|shard| !wanted.contains(shard)).copied().collect();
        for shard in unwanted {
            self.standbys.remove(&shard);
            self.log.stop_restore(shard);
        }
        for shard in &wanted {
            if !self.standbys.contains_key(shard) {
                self.begin_to_follow(*shard)?;
            }
        }
        if wanted != kept {
            self.observer.standing_by(&wanted);
        }
        Ok(())
    }

    fn begin_to_follow(&mut self, shard: ShardNumber) -> Result<(), EngineError> {
        let Opened { next_offset, true_at, .. } = self.open(shard)?;
        self.standbys.insert(shard, true_at);
        self.log.follow(shard, next_offset);
        Ok(())
    }

    pub(super) fn shard_states(&mut self) -> BTreeMap<ShardNumber, ShardState> {
        let now = self.now();
        let mut states: BTreeMap<ShardNumber, ShardState> =
            self.standbys.keys().map(|shard| (*shard, ShardState::Standby)).collect();
        states.extend(self.shards.active_numbers().into_iter().map(|shard| (shard, ShardState::Active)));
        let restoring = self.shards.still_restoring().map(|(shard, restoring)| {
            let time_left = restoring.time_left(now);
            (shard, ShardState::Restoring { remaining: restoring.remaining, time_left })
        });
        states.extend(restoring);
        states
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_left_follows_from_the_pace_so_far() {
        let left = |passed: i64, remaining, millis: i64| {
            let restoring = Restoring {
                rows: (),
                from: Offset(5),
                next_offset: Offset(5 + passed),
                true_at: Millis(0),
                began_at: Millis(1_000),
                read: 1,
                remaining,
            };
            restoring.time_left(Millis(1_000 + millis))
        };
        assert_eq!(left(100, Some(300), 2_000), Some(Duration::from_secs(6)));
        assert_eq!([left(0, Some(300), 2_000), left(100, None, 2_000), left(100, Some(3), -5)], [None; 3]);
    }
}
