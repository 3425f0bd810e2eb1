//! Kafka: the engine's log port on librdkafka.
//!
//! ```text
//! engine thread: KafkaLog::poll ──┬── group.rs      consumer, what the group wants
//!                                 ├── restore.rs    changelogs up to the high watermark
//!                                 └── committer.rs  a thread of its own with the transactional producer
//! ```

mod committer;
mod group;
mod log;
mod outage;
mod restore;
mod settings;

pub use log::KafkaLog;
pub use settings::{INPUTS, ReservedProperty, Settings, Topics};
