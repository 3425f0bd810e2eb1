//! Who watches the engine: metrics and the log of the operator. The engine says what happens; what becomes a line and
//! what a number is decided elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_graph::Counters;

use crate::epoch::Facts;
use crate::log::{CommitError, EpochNumber, InputPartition};

/// Where the engine stands; reported from time to time.
#[derive(Debug)]
pub struct Progress {
    /// The engine's clock.
    pub now: Millis,
    /// Where each shard stands that it owns, or keeps a warm copy of.
    pub shards: BTreeMap<ShardNumber, ShardState>,
    /// By partition: records that were delivered and are not committed yet, and the earliest timestamp among them.
    pub uncommitted: BTreeMap<InputPartition, (u64, Millis)>,
    /// By assigned partition: records that were not delivered yet; none while unknown.
    pub undelivered: BTreeMap<InputPartition, Option<u64>>,
    /// What each active shard counts.
    pub counters: Vec<Counters>,
    /// Bytes on disk.
    pub store_bytes: u64,
    /// Identifiers that have yet to be reviewed under a changed policy.
    pub to_be_reviewed: u64,
    /// Up to when all is in the suppressions; none while unknown.
    pub complete_through: Option<Millis>,
    /// Another instance runs another policy.
    pub policies_differ: bool,
}

/// Where a shard stands at this instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// Another instance owns it; a warm copy is kept here.
    Standby,
    /// It is owned, and its changelog is being read: about so many records are to come, if known, and it will take
    /// about so long.
    Restoring {
        /// Records.
        remaining: Option<u64>,
        /// Time.
        time_left: Option<Duration>,
    },
    /// It is owned, and computes.
    Active,
}

/// Why the inputs are not read for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Most of the shards are being restored.
    Restoring,
    /// Too many messages wait in the graph topic.
    GraphBehind,
    /// As much as may wait in memory does.
    Full,
}

/// Watches the engine. All of it is called on the engine's thread, so none of it may block.
pub trait Observer: Send {
    /// The group gave partitions.
    fn partitions_assigned(&mut self, partitions: &[InputPartition]);
    /// The group takes partitions away.
    fn partitions_revoked(&mut self, partitions: &[InputPartition]);
    /// The group has taken partitions away.
    fn partitions_lost(&mut self, partitions: &[InputPartition]);
    /// So many more records of changelogs were read and stored, of shards that are owned or stood by for.
    fn changelog_read(&mut self, records: u64);
    /// More of a shard's changelog was read: how many offsets were passed in all, how many are to come, and how long that
    /// will take, if it can be told.
    fn shard_restoring(&mut self, shard: ShardNumber, passed: u64, remaining: u64, time_left: Option<Duration>);
    /// Warm copies are kept of these shards, which others own.
    fn standing_by(&mut self, shards: &[ShardNumber]);
    /// A shard is active.
    fn shard_restored(&mut self, shard: ShardNumber, read: u64);
    /// What is stored of a shard is older than what its changelog still has; it begins anew.
    fn changelog_truncated(&mut self, shard: ShardNumber);
    /// What is stored of a shard is so old that its changelog may have forgotten deletions since; it begins anew.
    fn shard_stale(&mut self, shard: ShardNumber);
    /// An epoch is in the log and in the store.
    fn epoch_committed(&mut self, epoch: EpochNumber, facts: &Facts, now: Millis);
    /// An epoch was thrown away.
    fn epoch_failed(&mut self, epoch: EpochNumber, error: &CommitError);
    /// An epoch of so many records panicked and was thrown away; they are read again, one by one.
    fn epoch_panicked(&mut self, records: usize);
    /// A partition of the graph topic waits until this instance knows what another one wrote there.
    fn partition_ahead(&mut self, partition: InputPartition, reason: &str);
    /// The inputs are paused, or for another reason than before.
    fn inputs_held(&mut self, why: Hold);
    /// The schema registry does not answer, and inputs wait for it. Called with every try.
    fn registry_stalled(&mut self, reason: &str);
    /// The schema registry answers again.
    fn registry_answered(&mut self);
    /// Whether it is time for [`Observer::progress`].
    fn wants_progress(&mut self) -> bool;
    /// Where the engine stands.
    fn progress(&mut self, progress: &Progress);
}
