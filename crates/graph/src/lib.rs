//! What a shard computes.

mod rows;

pub use rows::{Change, ReadError, Rows};
