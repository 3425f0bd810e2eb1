//! How the gate's clients of Kafka are made.

use std::collections::BTreeMap;

use quell_clients::{Common, PropertyError, Role};
use rdkafka::ClientConfig;

/// Properties that a gate's answers rest on: not the user's to change.
const RESERVED: [&str; 8] = [
    "bootstrap.servers",
    "group.id",
    "isolation.level",
    "enable.idempotence",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "message.timeout.ms",
];

/// What clients are made with.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: String,
    /// `[kafka.client]`: librdkafka's properties; they win over ours.
    pub client: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Checks the user's properties, each by itself.
    ///
    /// # Errors
    /// When one of them cannot be set.
    pub fn check(&self) -> Result<(), PropertyError> {
        quell_clients::check(&self.client, &RESERVED, "the gate's answers rest on it")
    }

    /// For looking at topics, and making them.
    #[must_use]
    pub fn admin(&self) -> ClientConfig {
        self.config(Role::Admin, &[], &[])
    }

    /// The reader of suppressions and watermarks: no group, every partition assigned.
    #[must_use]
    pub fn reader(&self) -> ClientConfig {
        self.consumer("read_committed")
    }

    /// For questions about topics: it sees as far as anything is written, decided or not.
    #[must_use]
    pub fn probe(&self) -> ClientConfig {
        self.consumer("read_uncommitted")
    }

    /// The producer of decisions. It never gives a record up, and has time to make batches: those that wait are in the
    /// spool, and a request for each costs more than all the rest.
    #[must_use]
    pub fn producer(&self) -> ClientConfig {
        let defaults = [("linger.ms", "25"), ("compression.type", "lz4"), ("reconnect.backoff.max.ms", "2000")];
        self.config(Role::Producer, &defaults, &[("enable.idempotence", "true"), ("message.timeout.ms", "0")])
    }

    fn consumer(&self, isolation: &str) -> ClientConfig {
        let defaults = [
            ("queued.max.messages.kbytes", "32768"),
            ("queued.min.messages", "100000"),
            ("fetch.queue.backoff.ms", "2"),
            ("fetch.wait.max.ms", "100"),
            ("reconnect.backoff.max.ms", "2000"),
        ];
        let ours = [
            // librdkafka wants one; nothing is ever committed under it.
            ("group.id", "quell-gate"),
            ("isolation.level", isolation),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
        ];
        self.config(Role::Reader, &defaults, &ours)
    }

    fn config(&self, role: Role, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let common =
            Common { bootstrap_servers: &self.bootstrap_servers, client_id: "quell-gate", client: &self.client };
        common.config(role, defaults, ours)
    }
}
