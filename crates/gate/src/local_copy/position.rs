//! How far the topic has been read, and by what one can tell that it is still the same topic.

use std::collections::{BTreeMap, VecDeque};

use quell_topic_id::TopicId;
use xxhash_rust::xxh3::Xxh3;

/// How many of the last records of a partition are remembered: one that compaction has taken away says nothing.
const ANCHORS_MAX: usize = 16;

/// A record that was read. A topic that was made anew, or whose leader lost its end, has another one there, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Where it stands.
    pub offset: i64,
    /// Of its timestamp, key and value.
    pub fingerprint: u64,
}

impl Anchor {
    /// That of a record.
    #[must_use]
    pub fn new(offset: i64, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&timestamp.to_le_bytes());
        for part in [key, value] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(part.unwrap_or_default());
        }
        Self { offset, fingerprint: hasher.digest() }
    }
}

/// How far one partition has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Where to read on.
    pub next_offset: i64,
    /// The last records that were read, in order.
    pub anchors: VecDeque<Anchor>,
}

/// How far a topic has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Its id; none while unknown.
    pub topic: Option<TopicId>,
    /// Each partition of it.
    pub partitions: BTreeMap<i32, Position>,
}

impl Positions {
    /// A record of a partition was read.
    pub fn read(&mut self, partition: i32, anchor: Anchor) {
        let position = self.partitions.entry(partition).or_default();
        position.next_offset = anchor.offset + 1;
        position.anchors.push_back(anchor);
        if position.anchors.len() > ANCHORS_MAX {
            position.anchors.pop_front();
        }
    }

    /// Some partitions have been read further.
    pub fn take(&mut self, later: &Self) {
        self.topic = later.topic.or(self.topic);
        for (partition, position) in &later.partitions {
            let known = self.partitions.entry(*partition).or_default();
            known.next_offset = position.next_offset;
            known.anchors.extend(&position.anchors);
            while known.anchors.len() > ANCHORS_MAX {
                known.anchors.pop_front();
            }
        }
    }
}
