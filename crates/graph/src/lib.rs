//! What a shard computes: from choices and links to what every identifier's downstreams are told.
//!
//! Pure: no I/O but the [`Rows`] port, no clock, no Kafka. So the simulator and the property tests run the real thing.
//!
//! ```text
//! Operation ──> Shard::apply ──> Turn (one node: own choices, edges, generation) ──> Operations for other nodes
//!                                  │ what holds
//! Shard::seal ──> publish ──> Statements (suppressions)  and  Changes (rows)
//! ```
//!
//! A node's state is a join over its neighbours' states ([`Claim`]), forgotten and computed anew where something is
//! taken away ([`Generation`]), and cut off where it would merge strangers (hubs). `docs/design.md` tells why it ends
//! in the same state whatever the order of the events.

mod basis;
mod cache;
mod claim;
mod counters;
mod edge;
mod encoding;
mod generation;
mod keys;
mod look;
mod message;
mod neighbourhood;
mod node;
mod overlay;
mod own;
mod publish;
mod revision;
mod rows;
mod shard;
mod turn;
mod wave;

pub use basis::NewerFormat;
pub use claim::{Claim, Contribution};
pub use counters::Counters;
pub use edge::{Edge, LinkRegister};
pub use encoding::{Batch, BatchError, Corrupt, Vocabulary, read_operations, write_operations};
pub use generation::{Generation, RetractionCause};
pub use look::Look;
pub use message::{Addressed, Message, Operation, Origin, authority};
pub use node::{Delivery, Effective, Hold, Node, Published};
pub use overlay::Sequence;
pub use own::OwnChoice;
pub use publish::{Direction, Pace, StatedRight, Statement};
pub use revision::Revision;
pub use rows::{Change, ReadError, Row, Rows, Taker};
pub use shard::{Acknowledged, OpenError, Sealed, Shard, Undeclared};
pub use wave::Wave;
