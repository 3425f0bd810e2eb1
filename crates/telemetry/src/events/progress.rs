//! Where the engine stands; the gauges.

use std::time::Duration;

use quell_domain::{Millis, ShardNumber};

use super::Event;
use super::epoch::seconds;
use crate::metrics::Metrics;

/// What of a partition is not yet committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition's number.
    pub partition: u32,
    /// How many records; none while unknown.
    pub records: Option<u64>,
}

/// What of a topic is not yet committed, over the partitions that this instance owns.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicLag<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// Age of the oldest record that is not yet committed; 0 when there is none, none while unknown.
    pub seconds: Option<f64>,
    /// Its partitions.
    pub partitions: Vec<PartitionLag>,
}

/// Where a shard stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShardState {
    /// A warm copy of another instance's.
    Standby,
    /// Owned, and being restored: records still to be read, if known, and how long that takes, if it can be told.
    Restoring {
        /// Records.
        remaining: Option<u64>,
        /// Time.
        time_left: Option<Duration>,
    },
    /// Owned, and computing.
    Active,
}

impl ShardState {
    /// The value of `quell_shard_state`.
    fn number(self) -> i64 {
        match self {
            Self::Standby => 1,
            Self::Restoring { .. } => 2,
            Self::Active => 3,
        }
    }
}

/// Where the engine stands; reported every second or so.
#[derive(Clone, Debug, Default)]
pub struct ProgressReported<'a> {
    /// Where each shard stands that it owns, or keeps a warm copy of.
    pub shards: Vec<(ShardNumber, ShardState)>,
    /// The consumer's lag. A topic or partition that is missing here is no longer reported.
    pub lag: Vec<TopicLag<'a>>,
    /// Hubs, by identifier type; a type that is missing has none.
    pub hubs: Vec<(&'a str, u64)>,
    /// Identifiers whose last suppression is not acknowledged, by downstream; one that is missing has none.
    pub unacknowledged: Vec<(&'a str, u64)>,
    /// Identifiers with a relaxation that waits.
    pub deferred_relaxations: u64,
    /// Identifiers that have yet to be reviewed under a changed policy.
    pub to_be_reviewed: u64,
    /// Up to when all is in the suppressions; none while unknown.
    pub complete_through: Option<Millis>,
    /// Bytes on disk.
    pub store_bytes: u64,
}

impl Event for ProgressReported<'_> {
    fn emit(&self, metrics: &Metrics) {
        let (mut owned, mut restoring, mut left) = (0, 0, 0);
        let mut time_left = Duration::ZERO;
        for (_, state) in &self.shards {
            owned += u64::from(*state != ShardState::Standby);
            if let ShardState::Restoring { remaining, time_left: of_it } = state {
                restoring += 1;
                left += remaining.unwrap_or(0);
                time_left = time_left.max(of_it.unwrap_or(Duration::ZERO));
            }
        }
        tracing::trace!(target: "quell::progress", shards_owned = owned, shards_restoring = restoring, "progress");
        let series = &metrics.series;
        series.shards_owned.set(whole(owned));
        series.shards_restoring.set(whole(restoring));
        series.shard_state.set(self.shards.iter().map(|(shard, state)| (shard.to_string(), state.number())));
        series.restore_remaining.set(whole(left));
        series.restore_time_left.set(time_left.as_secs_f64());
        series.deferred_relaxations.set(whole(self.deferred_relaxations));
        series.to_be_reviewed.set(whole(self.to_be_reviewed));
        series.complete_through.set(self.complete_through.map_or(0.0, |through| seconds(through.0)));
        series.store_bytes.set(whole(self.store_bytes));
        series.consumer_lag.set(&self.lag);
        for (gauges, counts) in [(&series.hubs, &self.hubs), (&series.unacknowledged, &self.unacknowledged)] {
            gauges.set(counts);
        }
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
