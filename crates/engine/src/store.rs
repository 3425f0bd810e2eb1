//! The store port: where the shards' rows live on this machine.
//!
//! The store takes nothing that Kafka has not committed, and each shard's rows and the place in its changelog up to
//! which they are true are written together. So a crash at any moment leaves rows that some committed epoch left.

use quell_domain::{Millis, ShardNumber};
use quell_graph::{Change, Rows};

use crate::log::Offset;

/// What a committed epoch, or a piece of a changelog, changes in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardChanges {
    /// The shard.
    pub shard: ShardNumber,
    /// Rows put or deleted; a later one of the same key wins.
    pub changes: Vec<Change>,
    /// The changelog is contained up to here.
    pub next_offset: Offset,
    /// When that was all that the changelog said. A changelog forgets deletions after a while, so rows that are too old
    /// cannot be brought up to date any more.
    pub true_at: Millis,
}

/// A shard as it is stored.
#[derive(Debug)]
pub struct Opened<R> {
    /// Its committed rows.
    pub rows: R,
    /// Where its changelog goes on: [`Offset::START`] for a new one.
    pub next_offset: Offset,
    /// See [`ShardChanges::true_at`].
    pub true_at: Millis,
}

/// The store cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is on the disk is not what was written. Throw it away, and restore from the changelog.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// An operator must act: a full disk, a broken one.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Where shards' rows are kept. A shard's rows are read through [`Store::Shard`], which stays valid until the shard is
/// closed or wiped.
pub trait Store {
    /// A shard's committed rows.
    type Shard: Rows + Send + Sync + 'static;

    /// Opens a shard, making it where there is none.
    ///
    /// # Errors
    /// When the store fails.
    fn open_shard(&mut self, shard: ShardNumber) -> Result<Opened<Self::Shard>, StoreError>;

    /// Writes changes and offsets of all the shards at once, or nothing.
    ///
    /// # Errors
    /// When the store fails.
    fn write(&mut self, changes: Vec<ShardChanges>) -> Result<(), StoreError>;

    /// Writes pieces of changelogs, each of another shard: each shard's piece whole or not at all. There may be much in
    /// them, and no shard of them computes.
    ///
    /// # Errors
    /// When the store fails.
    fn restore(&mut self, pieces: Vec<ShardChanges>) -> Result<(), StoreError> {
        self.write(pieces)
    }

    /// Notes that what is stored of these shards is all that their changelogs say now.
    ///
    /// # Errors
    /// When the store fails.
    fn confirm(&mut self, shards: &[ShardNumber], now: Millis) -> Result<(), StoreError>;

    /// Throws a shard's rows away; it is then as new.
    ///
    /// # Errors
    /// When the store fails.
    fn wipe_shard(&mut self, shard: ShardNumber) -> Result<(), StoreError>;

    /// Bytes on disk of all the shards that are open.
    fn bytes(&self) -> u64;
}
