//! Caution: how one record that the engine cannot deal with is told from all the others, and given up.
//!
//! An epoch that panicked, or whose records no broker takes, is thrown away like one that could not be committed. Its
//! records are read again, each in an epoch of its own, until all of them have passed. One that fails alone, and again,
//! becomes a dead letter; and if not even that can be written, one without the record's bytes.

use std::collections::BTreeMap;

use crate::log::{InputPartition, Offset};

/// How often a record is tried alone before it is given up: a failure may have had another cause.
const TRIES_MAX: u32 = 3;

/// Where a record stands.
pub type Place = (InputPartition, Offset);

/// What becomes of a record that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A dead letter.
    DeadLetter,
    /// A dead letter that only tells where the record stands, since it is too large to be written once more.
    Pointer,
}

/// What is known of records that were in an epoch that failed by its own fault.
#[derive(Debug, Default)]
pub struct Caution {
    /// Up to where each partition is read one by one.
    until: BTreeMap<InputPartition, Offset>,
    /// How often each was tried alone.
    tries: BTreeMap<Place, u32>,
}

impl Caution {
    /// An epoch of these records failed.
    pub fn failed(&mut self, records: &[Place]) {
        for (partition, offset) in records {
            let until = self.until.entry(*partition).or_insert(*offset);
            *until = (*until).max(*offset);
        }
        if let [alone] = records {
            *self.tries.entry(*alone).or_default() += 1;
        }
    }

    /// An epoch of these records was committed.
    pub fn passed(&mut self, records: &[Place]) {
        if !self.is_due() {
            return;
        }
        for (partition, passed) in records {
            self.until.retain(|of, until| of != partition || *until > *passed);
            self.tries.retain(|(of, offset), _| of != partition || *offset > *passed);
        }
    }

    /// Whether records are to be taken one by one.
    pub fn is_due(&self) -> bool {
        !self.until.is_empty()
    }

    /// What becomes of a record, if it was given up.
    pub fn verdict(&self, record: Place) -> Option<Verdict> {
        match self.tries.get(&record) {
            Some(tries) if *tries > TRIES_MAX => Some(Verdict::Pointer),
            Some(tries) if *tries == TRIES_MAX => Some(Verdict::DeadLetter),
            _ => None,
        }
    }

    /// Partitions that belong to others now are theirs to be cautious about.
    pub fn forget(&mut self, partitions: &[InputPartition]) {
        self.until.retain(|partition, _| !partitions.contains(partition));
        self.tries.retain(|(partition, _), _| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::InputTopic;

    const CHOICES: InputPartition = InputPartition { topic: InputTopic::Choices, partition: 0 };

    #[test]
    fn a_record_that_fails_alone_and_again_is_given_up() {
        let mut caution = Caution::default();
        let records = [(CHOICES, Offset(4)), (CHOICES, Offset(5)), (CHOICES, Offset(6))];
        caution.failed(&records);
        assert!(caution.is_due());
        caution.passed(&records[..1]);
        for _ in 0..TRIES_MAX {
            assert_eq!(caution.verdict(records[1]), None);
            caution.failed(&records[1..2]);
        }
        assert_eq!(caution.verdict(records[1]), Some(Verdict::DeadLetter));
        caution.failed(&records[1..2]);
        assert_eq!(caution.verdict(records[1]), Some(Verdict::Pointer));
        assert_eq!(caution.verdict(records[2]), None);
        caution.passed(&records[1..]);
        assert!(!caution.is_due());
    }
}
