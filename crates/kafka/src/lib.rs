//! Kafka: the engine's log port on librdkafka; topics; and what the command line needs of Kafka.
//!
//! ```text
//! engine thread: KafkaLog::poll ──┬── group.rs      consumer, what the group wants
//!                                 ├── positions.rs  committed offsets, asked for on a thread of their own (questions.rs)
//!                                 ├── restore.rs    a thread of its own that reads changelogs
//!                                 ├── census.rs     a thread of its own that asks who owns what
//!                                 ├── waves.rs      a thread of its own that reads watermarks; ends, asked for likewise
//!                                 └── committer.rs  a thread of its own with the transactional producer (watch.rs)
//! command line:  TopicAdmin (topics.rs), Publisher (publisher.rs), read_topic (reader.rs), all through ask.rs first
//! ```

mod ask;
mod census;
mod committer;
mod group;
mod log;
mod outage;
mod positions;
mod publisher;
mod questions;
mod reader;
mod restore;
mod settings;
mod topics;
mod watch;
mod waves;

pub use ask::AskError;
pub use log::KafkaLog;
pub use publisher::{Message, PublishError, Publisher};
pub use reader::{ReadRecord, TopicReadError, read_topic};
pub use settings::{INPUTS, Settings, Topics};
pub use topics::{Checked, Cleanup, Finding, MESSAGE_BYTES_MAX, Sizes, TopicAdmin, TopicPlan, TopicsError, plan};
