//! Whether the topic is still the one that the copy was made of.
//!
//! A topic whose leader lost its end has the same id and the same offsets, and other records. So reading on begins a few
//! records earlier, with those that were read last: they must be there as they were. A topic that was deleted and made
//! anew is told by its id, where brokers give one, and by this where not.

use std::collections::BTreeMap;

use crate::local_copy::{Anchor, Position};

/// What is wrong with a topic, for the copy in hand.
pub(super) type Misfit = &'static str;

/// Where one partition is read on, and what has to be met there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resuming {
    /// Where reading begins.
    pub from: i64,
    /// Records below this are in the copy.
    next_offset: i64,
    anchors: BTreeMap<i64, Anchor>,
    is_the_same: bool,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// The copy has it.
    Known,
    /// It is new.
    New,
}

impl Resuming {
    /// Of a partition that holds offsets from `low` up to `high`.
    pub fn new(position: Option<&Position>, low: i64, high: i64) -> Result<Self, Misfit> {
        let Some(position) = position.filter(|position| position.next_offset > 0) else {
            return Ok(Self { from: low, next_offset: low, anchors: BTreeMap::new(), is_the_same: true });
        };
        if position.next_offset > high {
            return Err("the topic ends before what was read of it");
        }
        let anchors: BTreeMap<i64, Anchor> = position
            .anchors
            .iter()
            .filter(|anchor| anchor.offset >= low)
            .map(|anchor| (anchor.offset, *anchor))
            .collect();
        match anchors.keys().next() {
            Some(first) => Ok(Self { from: *first, next_offset: position.next_offset, anchors, is_the_same: false }),
            None => Err(UNTOLD),
        }
    }

    /// A record is there.
    pub fn meets(&mut self, anchor: Anchor) -> Result<Met, Misfit> {
        if anchor.offset >= self.next_offset {
            return if self.is_the_same { Ok(Met::New) } else { Err(UNTOLD) };
        }
        // All that was read since the first anchor is an anchor.
        if self.anchors.get(&anchor.offset) != Some(&anchor) {
            return Err("the topic has other records than those that were read");
        }
        self.is_the_same = true;
        Ok(Met::Known)
    }

    /// Everything up to here has been met.
    pub fn reached(&self, next_offset: i64) -> Result<(), Misfit> {
        if self.is_the_same || next_offset < self.next_offset { Ok(()) } else { Err(UNTOLD) }
    }
}

/// Compaction takes records whose keys have later ones.
const UNTOLD: Misfit = "none of the records that were read last is there to tell whether the topic is the same";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::local_copy::Positions;

    fn anchor(offset: i64, key: &str) -> Anchor {
        Anchor::new(offset, 5, Some(key.as_bytes()), Some(b"value"))
    }

    fn read(offsets: &[i64]) -> Position {
        let mut positions = Positions::default();
        offsets.iter().for_each(|offset| positions.read(0, anchor(*offset, "k")));
        positions.partitions.remove(&0).unwrap()
    }

    #[test]
    fn a_new_partition_is_read_from_its_beginning() {
        let mut resuming = Resuming::new(None, 7, 90).unwrap();
        assert_eq!(resuming.from, 7);
        assert_eq!(resuming.meets(anchor(7, "k")), Ok(Met::New));
    }

    #[test]
    fn what_was_read_last_must_be_there_as_it_was() {
        let position = read(&[10, 12, 15]);
        let mut resuming = Resuming::new(Some(&position), 0, 90).unwrap();
        assert_eq!(resuming.from, 10);
        assert_eq!(resuming.meets(anchor(12, "k")), Ok(Met::Known), "compaction has taken the first");
        assert_eq!(resuming.meets(anchor(16, "new")), Ok(Met::New));
        let mut resuming = Resuming::new(Some(&position), 0, 90).unwrap();
        assert!(resuming.meets(anchor(12, "other")).is_err());
        let mut resuming = Resuming::new(Some(&position), 0, 90).unwrap();
        assert!(resuming.meets(anchor(11, "k")).is_err(), "nothing was there");
    }

    #[test]
    fn where_nothing_tells_all_is_read_anew() {
        let position = read(&[10, 12, 15]);
        let mut resuming = Resuming::new(Some(&position), 0, 90).unwrap();
        assert_eq!(resuming.meets(anchor(16, "new")), Err(UNTOLD));
        assert_eq!(resuming.reached(15), Ok(()));
        assert_eq!(resuming.reached(16), Err(UNTOLD));
        assert_eq!(Resuming::new(Some(&position), 16, 90), Err(UNTOLD));
        assert!(Resuming::new(Some(&position), 0, 15).is_err(), "it is shorter");
    }
}
