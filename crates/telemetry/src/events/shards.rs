//! A shard's life: restored from its changelog, then active.

use std::time::Duration;

use quell_domain::ShardNumber;

use super::Event;
use crate::metrics::Metrics;

/// Pieces of changelogs were read and stored.
#[derive(Clone, Debug)]
pub struct ChangelogRead {
    /// How many records.
    pub records: u64,
}

impl Event for ChangelogRead {
    fn emit(&self, metrics: &Metrics) {
        tracing::debug!(target: "quell::shards", records = self.records, "changelog read");
        metrics.series.restore_records.inc_by(self.records);
    }
}

/// How far the restore of a shard is. Said from time to time while it lasts, at a pace that the caller sets.
#[derive(Clone, Debug)]
pub struct RestoreProgressed {
    /// Which shard.
    pub shard: ShardNumber,
    /// Offsets passed so far.
    pub passed: u64,
    /// How many are still to come.
    pub remaining: u64,
    /// How long that takes, if it can be told.
    pub time_left: Option<Duration>,
}

impl RestoreProgressed {
    /// How much of the changelog has been read, in whole percents.
    fn percent(&self) -> u64 {
        let all = self.passed.saturating_add(self.remaining);
        self.passed.saturating_mul(100).checked_div(all).unwrap_or(100)
    }
}

impl Event for RestoreProgressed {
    fn emit(&self, _: &Metrics) {
        tracing::info!(
            target: "quell::shards",
            shard = self.shard.0,
            passed = self.passed,
            remaining = self.remaining,
            percent = self.percent(),
            seconds_left = self.time_left.map(|left| left.as_secs()),
            "restoring shard"
        );
    }
}

/// Warm copies are kept of these shards, which other instances own.
#[derive(Clone, Debug)]
pub struct StandingBy<'a> {
    /// Which.
    pub shards: &'a [ShardNumber],
}

impl Event for StandingBy<'_> {
    fn emit(&self, _: &Metrics) {
        let shards: Vec<u32> = self.shards.iter().map(|shard| shard.0).collect();
        tracing::info!(target: "quell::shards", ?shards, "keeping warm copies");
    }
}

/// A shard is restored, and active from now on.
#[derive(Clone, Debug)]
pub struct ShardRestored {
    /// Which shard.
    pub shard: ShardNumber,
    /// How many records of its changelog were read for that.
    pub read: u64,
}

impl Event for ShardRestored {
    fn emit(&self, _: &Metrics) {
        tracing::info!(target: "quell::shards", shard = self.shard.0, read = self.read, "shard restored");
    }
}

/// What is stored of a shard is older than the oldest record of its changelog: it begins anew, from the changelog alone.
#[derive(Clone, Debug)]
pub struct ChangelogTruncated {
    /// Which shard.
    pub shard: ShardNumber,
}

impl Event for ChangelogTruncated {
    fn emit(&self, _: &Metrics) {
        tracing::warn!(
            target: "quell::shards",
            shard = self.shard.0,
            "stored rows are older than the changelog reaches back; restoring anew"
        );
    }
}

/// What is stored of a shard is so old that its changelog may have forgotten deletions since: it begins anew, from the
/// changelog alone.
#[derive(Clone, Debug)]
pub struct ShardStale {
    /// Which shard.
    pub shard: ShardNumber,
}

impl Event for ShardStale {
    fn emit(&self, _: &Metrics) {
        tracing::warn!(
            target: "quell::shards",
            shard = self.shard.0,
            "stored rows are older than the changelog keeps deletions; restoring anew"
        );
    }
}

/// What is on the disk is not what was written there: all of it is thrown away and restored from the changelog.
#[derive(Clone, Debug)]
pub struct StoreDamaged<'a> {
    /// How it showed.
    pub reason: &'a str,
}

impl Event for StoreDamaged<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::error!(target: "quell::store", reason = self.reason, "the store is damaged; restoring it from the changelog");
        metrics.series.store_damages.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_changelog_is_restored_whole() {
        let percent = |passed, remaining| {
            RestoreProgressed { shard: ShardNumber(3), passed, remaining, time_left: None }.percent()
        };
        assert_eq!([percent(0, 0), percent(0, 9), percent(1, 2), percent(7, 0)], [100, 0, 33, 100]);
    }
}
