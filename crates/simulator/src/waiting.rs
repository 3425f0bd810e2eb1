//! An observer that listens for one thing: how many relaxations wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quell_domain::{Millis, ShardNumber};
use quell_engine::epoch::Facts;
use quell_engine::log::{CommitError, EpochNumber, InputPartition};
use quell_engine::observer::{Hold, Observer, Progress};

/// The simulator looks at the log and the disk, not at what the engine says of itself; save that, while a relaxation
/// waits, there is no rest.
#[derive(Clone, Default)]
pub struct Waiting(Arc<AtomicU64>);

impl Waiting {
    /// How many relaxations waited at the end of the last turn.
    pub fn relaxations(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Observer for Waiting {
    fn partitions_assigned(&mut self, _: &[InputPartition]) {}
    fn partitions_revoked(&mut self, _: &[InputPartition]) {}
    fn partitions_lost(&mut self, _: &[InputPartition]) {}
    fn shard_restoring(&mut self, _: ShardNumber, _: u64, _: u64, _: u64) {}
    fn shard_restored(&mut self, _: ShardNumber, _: u64) {}
    fn changelog_truncated(&mut self, _: ShardNumber) {}
    fn epoch_committed(&mut self, _: EpochNumber, _: &Facts, _: Millis) {}
    fn epoch_failed(&mut self, _: EpochNumber, _: &CommitError) {}
    fn inputs_held(&mut self, _: Hold) {}
    fn registry_stalled(&mut self, _: &str) {}
    fn registry_answered(&mut self) {}

    fn wants_progress(&mut self) -> bool {
        true
    }

    fn progress(&mut self, progress: &Progress) {
        self.0.store(progress.counters.iter().map(|counters| counters.held).sum(), Ordering::Relaxed);
    }
}
