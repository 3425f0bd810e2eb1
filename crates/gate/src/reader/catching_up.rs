//! Up to when every opt-out is in the index.

use std::collections::BTreeMap;

use quell_decision::{Watermark, Watermarks};
use quell_domain::Millis;

/// By partition: where to read on.
pub(super) type Offsets = BTreeMap<i32, i64>;

/// Whether all has been read up to some ends.
pub(super) fn has_reached(positions: &Offsets, ends: &Offsets) -> bool {
    ends.iter().all(|(partition, end)| positions.get(partition).is_some_and(|next| next >= end))
}

/// What the engine has said, and how much of it counts.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    watermarks: Watermarks,
    /// What will count once the topic has been read so far.
    waiting: Option<(Millis, Offsets)>,
    counted: Option<Millis>,
}

impl CatchingUp {
    /// The engine has said something.
    pub fn take(&mut self, watermark: Watermark) {
        self.watermarks.take(watermark);
    }

    /// What has been said beyond what counts, if nothing is waited for. Whoever asks looks how far the topic goes *now*,
    /// after it was said, and then [waits](Self::wait) for that.
    pub fn said(&self) -> Option<Millis> {
        let said = self.watermarks.complete_through()?;
        (self.waiting.is_none() && self.counted.is_none_or(|counted| said > counted)).then_some(said)
    }

    /// It counts once the topic has been read up to these ends.
    pub fn wait(&mut self, said: Millis, ends: Offsets) {
        self.waiting = Some((said, ends));
    }

    /// What counts from now on, if the index now holds what was waited for (Q3).
    pub fn read(&mut self, positions: &Offsets) -> Option<Millis> {
        let (said, _) = self.waiting.take_if(|(_, ends)| has_reached(positions, ends))?;
        self.counted = Some(said);
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(shard: i32, through: i64) -> Watermark {
        Watermark { shard, shards: 2, complete_through: Millis(through), observed_at: Millis(through) }
    }

    #[test]
    fn what_was_read_counts_once_the_index_has_it() {
        let mut catching_up = CatchingUp::default();
        let at = |first: i64, second: i64| Offsets::from([(0, first), (1, second)]);
        catching_up.take(says(0, 100));
        assert_eq!(catching_up.said(), None, "one shard has said nothing");
        catching_up.take(says(1, 90));
        assert_eq!(catching_up.said(), Some(Millis(90)));
        assert_eq!(catching_up.read(&at(9, 9)), None, "how far the topic goes is not known yet");
        catching_up.wait(Millis(90), at(10, 20));
        catching_up.take(says(1, 95));
        assert_eq!(catching_up.said(), None, "one after the other");
        assert_eq!(catching_up.read(&at(10, 19)), None);
        assert_eq!(catching_up.read(&at(11, 20)), Some(Millis(90)));
        assert_eq!(catching_up.read(&at(11, 20)), None);
        assert_eq!(catching_up.said(), Some(Millis(95)));
    }
}
