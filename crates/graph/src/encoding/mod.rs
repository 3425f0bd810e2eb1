//! Bytes of rows and of graph messages.
//!
//! Numbers are LEB128 varints, signed ones in zigzag. What the policy numbers (rights, downstreams) is written by name,
//! the well-known names as one byte: so stored bytes mean the same whatever the policy's order. A name that the policy
//! does not declare is skipped in a row, where what is in use must be declared; a message with one is not read at all.

mod bytes;
mod choice;
mod edge;
mod message;
mod node;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use bytes::Corrupt;
pub use edge::{read_edge, write_edge};
pub use message::{Batch, BatchError, read_operations, write_operations};
pub use node::{read_node, write_node};
pub use vocabulary::Vocabulary;

pub(crate) use bytes::{Reader, Writer};
