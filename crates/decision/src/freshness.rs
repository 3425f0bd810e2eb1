//! How old what is known is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use quell_domain::Millis;

/// The time as far as it can be known: the latest that any look at a wall clock, this machine's or another's, and the time
/// passed since make plausible. A wall clock that steps back makes nothing younger; one that was ahead makes all older,
/// until the process begins anew.
#[derive(Debug)]
pub struct Timeline {
    /// The most by which the wall clock was ahead of the monotonic one, in milliseconds.
    ahead: AtomicI64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { ahead: AtomicI64::new(i64::MIN) }
    }
}

impl Timeline {
    /// The time, by what both clocks show: `monotonic` is in milliseconds since any fixed moment.
    pub fn now(&self, wall: Millis, monotonic: i64) -> Millis {
        let ahead = wall.0.saturating_sub(monotonic);
        let most = self.ahead.load(Ordering::Relaxed);
        // Written only when it grows: this is on every request's way.
        let most = if ahead > most { self.ahead.fetch_max(ahead, Ordering::Relaxed).max(ahead) } else { most };
        Millis(most.saturating_add(monotonic))
    }
}

/// How far one shard has come: every input event with a Kafka timestamp at most `complete_through`, that was in the
/// input topics at `observed_at`, is in the suppressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Which shard.
    pub shard: i32,
    /// How many there are.
    pub shards: i32,
    /// See above.
    pub complete_through: Millis,
    /// When that was so.
    pub observed_at: Millis,
}

/// Whatever names more shards was not written by an engine: each is a partition of several topics.
const SHARDS_MAX: i32 = 100_000;

/// What all shards have said.
#[derive(Debug, Default)]
pub struct Watermarks {
    by_shard: BTreeMap<i32, Millis>,
    /// How many shards there are, by the watermark that was observed last.
    shards: Option<(Millis, i32)>,
}

impl Watermarks {
    /// Takes one up. What a shard has once reached stays true, whoever owns it later.
    pub fn take(&mut self, watermark: Watermark) {
        if watermark.shards > SHARDS_MAX {
            return;
        }
        let through = watermark.complete_through.min(watermark.observed_at);
        let reached = self.by_shard.entry(watermark.shard).or_insert(through);
        *reached = through.max(*reached);
        if self.shards.is_none_or(|(observed_at, _)| watermark.observed_at >= observed_at) {
            self.shards = Some((watermark.observed_at, watermark.shards));
        }
    }

    /// The time up to which every event is in the suppressions; unknown while a shard has said nothing.
    #[must_use]
    pub fn complete_through(&self) -> Option<Millis> {
        let (_, shards) = self.shards.filter(|(_, shards)| *shards > 0)?;
        (0..shards).map(|shard| self.by_shard.get(&shard).copied()).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark(shard: i32, shards: i32, through: i64) -> Watermark {
        Watermark { shard, shards, complete_through: Millis(through), observed_at: Millis(through + 10) }
    }

    #[test]
    fn a_clock_that_steps_back_makes_nothing_younger() {
        let timeline = Timeline::default();
        assert_eq!(timeline.now(Millis(1_000_000), 100), Millis(1_000_000));
        assert_eq!(timeline.now(Millis(1_000_500), 600), Millis(1_000_500));
        assert_eq!(
            timeline.now(Millis(400_000), 1_600),
            Millis(1_001_500),
            "back by minutes: time passes all the same"
        );
        assert_eq!(timeline.now(Millis(2_000_000), 2_600), Millis(2_000_000), "ahead");
        assert_eq!(timeline.now(Millis(1_003_500), 3_600), Millis(2_001_000), "and back: older, never younger");
    }

    #[test]
    fn nothing_is_known_until_every_shard_has_spoken_and_the_slowest_counts() {
        let mut watermarks = Watermarks::default();
        assert_eq!(watermarks.complete_through(), None);
        watermarks.take(watermark(0, 3, 500));
        watermarks.take(watermark(2, 3, 900));
        assert_eq!(watermarks.complete_through(), None);
        watermarks.take(watermark(1, 3, 700));
        assert_eq!(watermarks.complete_through(), Some(Millis(500)));
        watermarks.take(watermark(0, 3, 800));
        assert_eq!(watermarks.complete_through(), Some(Millis(700)));
        watermarks.take(watermark(1, 3, 100));
        assert_eq!(watermarks.complete_through(), Some(Millis(700)), "what was reached stays reached");
    }

    #[test]
    fn a_claim_about_the_future_counts_up_to_when_it_was_made() {
        let mut watermarks = Watermarks::default();
        watermarks.take(Watermark { complete_through: Millis(99_999), ..watermark(0, 1, 500) });
        assert_eq!(watermarks.complete_through(), Some(Millis(510)));
    }

    #[test]
    fn a_number_of_shards_that_no_engine_has_says_nothing() {
        let mut watermarks = Watermarks::default();
        watermarks.take(watermark(0, 1, 500));
        watermarks.take(watermark(0, i32::MAX, 600));
        assert_eq!(watermarks.complete_through(), Some(Millis(500)));
    }

    #[test]
    fn more_shards_than_before_are_waited_for() {
        let mut watermarks = Watermarks::default();
        watermarks.take(watermark(0, 1, 500));
        watermarks.take(watermark(0, 2, 600));
        assert_eq!(watermarks.complete_through(), None);
    }
}
