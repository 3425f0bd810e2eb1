//! The identity graph on disk: RocksDB, one column family per shard.
//!
//! [`DiskStore`] fills the engine's store port. It is written only with what Kafka has committed, so the changelog is
//! its write-ahead log and RocksDB's own is off: what a crash takes from memory, the changelog gives back.
//!
//! ```text
//! commit ──> DiskStore::write ──> one WriteBatch ──> memtables ──flush, all shards at once──> files
//!                                 rows and next_offset of every shard      │                    │
//! restore ─> DiskStore::restore ─> one file for each shard, ingested ───────────────────────────────> files
//! compute <── DiskShard::get, get_many, scan <─────────────────────────────┴──── block cache <──┘
//! ```
//!
//! # In the directory
//!
//! | path | what |
//! |---|---|
//! | `instance` | the directory's name for its life, made by chance, and the group that it belongs to |
//! | `lock` | held while a process uses the directory |
//! | `rows/` | RocksDB: a column family `shard-<n>` for each shard that ever lived here |
//!
//! # What survives
//!
//! - **A clean stop** flushes: the next start reads nothing twice.
//! - **A crash** loses what was still in memory. Which rows of a shard are left and up to where its changelog is
//!   contained cannot contradict each other, because both lie in the shard's column family and a flush writes them
//!   together: the offset has the key `[0]`, and the keys of rows begin with another byte. RocksDB's atomic flush
//!   does the same across shards, so what is left is what one epoch left, in all of them.
//! - **A full disk** fails the write, and nothing of it is applied.
//!
//! # Memory
//!
//! One cache of [`Options::memory_bytes`] holds blocks, indexes and filters, and memtables are charged to it: as they
//! grow, blocks go. Memtables are flushed at a quarter of it, and hold writers up before they take half.

mod bulk;
mod database;
mod directory;
mod disk_store;
mod marker;
mod open_error;
mod settings;
mod shard;

pub use disk_store::DiskStore;
pub use open_error::OpenError;
pub use settings::Options;
pub use shard::DiskShard;
