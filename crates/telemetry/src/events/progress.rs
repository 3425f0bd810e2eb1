//! Where the engine stands; the gauges.

use super::Event;
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

/// Where the engine stands; reported every second or so.
#[derive(Clone, Debug, Default)]
pub struct ProgressReported<'a> {
    /// Shards that it owns.
    pub shards_owned: u64,
    /// How many of them are being restored.
    pub shards_restoring: u64,
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
    /// Bytes on disk.
    pub store_bytes: u64,
}

impl Event for ProgressReported<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::trace!(
            target: "quell::progress",
            shards_owned = self.shards_owned,
            shards_restoring = self.shards_restoring,
            "progress"
        );
        let series = &metrics.series;
        series.shards_owned.set(whole(self.shards_owned));
        series.shards_restoring.set(whole(self.shards_restoring));
        series.deferred_relaxations.set(whole(self.deferred_relaxations));
        series.to_be_reviewed.set(whole(self.to_be_reviewed));
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
