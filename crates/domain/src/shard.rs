//! Shards: hash ranges of identifiers.

use std::fmt;
use std::num::NonZeroU32;

/// Which shard: a partition of the graph topic and of the changelog, and a column family of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNumber(pub u32);

impl fmt::Display for ShardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many shards there are. Fixed when the topics are made: another number would move identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCount(NonZeroU32);

impl ShardCount {
    /// None for zero.
    #[must_use]
    pub fn new(count: u32) -> Option<Self> {
        NonZeroU32::new(count).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The shard of a hash.
    #[must_use]
    pub fn shard_of(self, hash: u64) -> ShardNumber {
        let remainder = hash % u64::from(self.0.get());
        ShardNumber(u32::try_from(remainder).unwrap_or_default()) // less than a u32
    }

    /// All of them.
    pub fn shards(self) -> impl Iterator<Item = ShardNumber> {
        (0..self.0.get()).map(ShardNumber)
    }
}
