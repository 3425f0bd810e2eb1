//! The gate: answers before an inference. A reader of one downstream's suppressions that needs nothing else of the
//! engine.
//!
//! ```text
//! suppression topic, watermarks ──> reader ──> local_copy, index (quell-decision)
//!                                                     │
//! enforcement point ──> http ──> Gate ── decide ──────┘
//!                        ▲         └──> spool ──> quell.decisions
//!                        └── answered when the record is on disk
//! ```

mod clients;
mod gate;

pub mod http;
pub mod local_copy;
pub mod reader;
pub mod spool;

pub use clients::KafkaSettings;
pub use gate::{Gate, Parts, Unanswered};
