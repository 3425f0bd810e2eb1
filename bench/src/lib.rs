//! What Quell costs, beside the same job in Kafka Streams (the peer) and what librdkafka's exactly-once allows at most
//! (the limit): in one run, on the same broker and workload, with every final state checked.
//!
//! ```text
//! workload ─> load ─> inputs ─┬─> limit  ─┐                     machine: CPU, memory, disk of the process and
//!     │                       ├─> peer   ─┼─> suppressions      the broker, by /proc
//!     │                       └─> Quell  ─┘        │            progress: the end, by committed offsets
//!     └────> expectation ──── equal? ─────────── reader
//! ```
//!
//! It needs Linux, for /proc.

#![allow(missing_docs, reason = "a tool of the project's own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "as a test")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of a workload that fits into memory"
)]
#![allow(clippy::new_without_default, clippy::should_implement_trait, reason = "as a test")]

pub mod arena;
pub mod backlog;
pub mod chance;
pub mod contestant;
pub mod engine;
pub mod expectation;
pub mod figures;
pub mod gate;
pub mod growth;
pub mod instances;
pub mod latency;
pub mod load;
pub mod machine;
pub mod page;
pub mod progress;
pub mod reader;
pub mod restore;
pub mod results;
pub mod shapes;
pub mod tables;
pub mod topics;
pub mod workload;
