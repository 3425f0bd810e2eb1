//! An observer that listens for what is not finished: relaxations that wait, and shards that are being restored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_engine::epoch::Facts;
use quell_engine::log::{CommitError, EpochNumber, InputPartition};
use quell_engine::observer::{Hold, Observer, Progress, ShardState};

/// The simulator looks at the log and the disk, not at what the engine says of itself; save that, while a relaxation
/// waits, there is no rest.
#[derive(Clone, Default)]
pub struct Waiting {
    relaxations: Arc<AtomicU64>,
    restoring: Arc<AtomicUsize>,
}

impl Waiting {
    /// How many relaxations waited at the end of the last turn.
    pub fn relaxations(&self) -> u64 {
        self.relaxations.load(Ordering::Relaxed)
    }

    /// How many shards were being restored then.
    pub fn shards_restoring(&self) -> usize {
        self.restoring.load(Ordering::Relaxed)
    }
}

impl Observer for Waiting {
    fn partitions_assigned(&mut self, _: &[InputPartition]) {}
    fn partitions_revoked(&mut self, _: &[InputPartition]) {}
    fn partitions_lost(&mut self, _: &[InputPartition]) {}
    fn changelog_read(&mut self, _: u64) {}
    fn shard_restoring(&mut self, _: ShardNumber, _: u64, _: u64, _: Option<Duration>) {}
    fn standing_by(&mut self, _: &[ShardNumber]) {}
    fn shard_restored(&mut self, _: ShardNumber, _: u64) {}
    fn changelog_truncated(&mut self, _: ShardNumber) {}
    fn shard_stale(&mut self, _: ShardNumber) {}
    fn epoch_committed(&mut self, _: EpochNumber, _: &Facts, _: Millis) {}
    fn epoch_failed(&mut self, _: EpochNumber, _: &CommitError) {}
    fn epoch_panicked(&mut self, _: usize) {}
    fn partition_ahead(&mut self, _: InputPartition, _: &str) {}
    fn inputs_held(&mut self, _: Hold) {}
    fn registry_stalled(&mut self, _: &str) {}
    fn registry_answered(&mut self) {}

    fn wants_progress(&mut self) -> bool {
        true
    }

    fn progress(&mut self, progress: &Progress) {
        let restoring = progress.shards.values().filter(|state| matches!(state, ShardState::Restoring { .. })).count();
        self.restoring.store(restoring, Ordering::Relaxed);
        self.relaxations.store(progress.counters.iter().map(|counters| counters.held).sum(), Ordering::Relaxed);
    }
}
