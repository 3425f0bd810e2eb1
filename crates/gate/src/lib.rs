//! The gate: answers before an inference. A reader of one downstream's suppressions that needs nothing else of the
//! engine.
//!
//! ```text
//! suppression topic, watermarks ──> reader ──> local_copy, index (quell-decision)
//!                                                     │
//! enforcement point ──> http ──> Gate ── decide ──────┘
//!                        ▲         └──> spool ──> quell.decisions, quell.reviews ──> reviews
//!                        ├── answered when the record is on disk
//!                        └── certificates, signed when asked for
//! ```

mod clients;
mod consumer;
mod decision_ids;
mod gate;
mod worker;

pub mod certificates;
pub mod http;
pub mod local_copy;
pub mod reader;
pub mod reviews;
pub mod spool;

pub use clients::KafkaSettings;
pub use gate::{Gate, Parts, Unanswered};
pub use worker::Worker;
