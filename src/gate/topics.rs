//! The topics of a gate: those that it writes to, and those that the engine fills for it.

use quell_kafka::{Cleanup, MESSAGE_BYTES_MAX, TopicPlan};

use crate::config::GateTopics;

/// 24 months: as long as a business keeps the records of what consumers asked for (11 CCR 7101).
const DECISIONS_RETENTION_MILLIS: u64 = 730 * 24 * 60 * 60 * 1000;

/// What they should be like.
pub struct TopicPlans {
    /// The gate's own: `quell topics create --gate` makes them.
    pub own: Vec<TopicPlan>,
    /// The engine's, which `quell topics create` makes.
    pub of_the_engine: Vec<TopicPlan>,
}

impl TopicPlans {
    /// For a gate that reads a topic of suppressions.
    pub fn new(topics: &GateTopics, suppressions: &str) -> Self {
        let own = |name: &str, cleanup| TopicPlan {
            name: name.to_owned(),
            partitions: topics.partitions,
            replication_factor: topics.replication_factor,
            cleanup,
            settings: Vec::new(),
            message_bytes_min: None,
            is_sharded: false,
            is_optional: false,
            made_by: "quell topics create --gate",
        };
        // How many partitions and replicas they have is the engine's matter. That they keep every current record is the
        // gate's: one that forgets an opt-out after a time would let a consumer through.
        let of_the_engine = |name: &str| TopicPlan {
            partitions: 1,
            replication_factor: 1,
            made_by: "quell topics create",
            ..own(name, Cleanup::Compact)
        };
        let retention = ("retention.ms", DECISIONS_RETENTION_MILLIS.to_string());
        // Whatever the cluster's is: a review has some ten kilobytes, and a batch as much as fits.
        let largest = ("max.message.bytes", MESSAGE_BYTES_MAX.to_string());
        Self {
            own: vec![
                TopicPlan { settings: vec![retention, largest.clone()], ..own(&topics.decisions, Cleanup::Delete) },
                TopicPlan { settings: vec![largest], ..own(&topics.reviews, Cleanup::Compact) },
            ],
            of_the_engine: vec![of_the_engine(suppressions), of_the_engine(&topics.watermarks)],
        }
    }

    /// All of them.
    pub fn all(self) -> Vec<TopicPlan> {
        [self.own, self.of_the_engine].concat()
    }
}
