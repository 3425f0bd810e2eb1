//! The store port: where the shards' rows live on this machine.
//!
//! The store takes nothing that Kafka has not committed, and each shard's rows and the place in its changelog up to
//! which they are true are written together. So a crash at any moment leaves rows that some committed epoch left.

use quell_domain::ShardNumber;
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
}

/// The store cannot be read or written; an operator must act (a full disk, a broken one).
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// Where shards' rows are kept. A shard's rows are read through [`Store::Shard`], which stays valid until the shard is
/// closed or wiped.
pub trait Store {
    /// A shard's committed rows.
    type Shard: Rows + Send + Sync + 'static;

    /// Opens a shard, making it where there is none. Returns its rows and where its changelog goes on:
    /// [`Offset::START`] for a new one.
    ///
    /// # Errors
    /// When the store fails.
    fn open_shard(&mut self, shard: ShardNumber) -> Result<(Self::Shard, Offset), StoreError>;

    /// Writes changes and offsets of all the shards at once, or nothing.
    ///
    /// # Errors
    /// When the store fails.
    fn write(&mut self, changes: Vec<ShardChanges>) -> Result<(), StoreError>;

    /// Throws a shard's rows away; it is then as new.
    ///
    /// # Errors
    /// When the store fails.
    fn wipe_shard(&mut self, shard: ShardNumber) -> Result<(), StoreError>;

    /// Bytes on disk of all the shards that are open.
    fn bytes(&self) -> u64;
}
