//! How the gate's clients of Kafka are made.

use std::collections::BTreeMap;

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

/// A property that the user must not set, or cannot. The message never holds its value: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientPropertyError {
    /// It is not the user's to set.
    #[error("kafka.client: {0} belongs to Quell, since the gate's answers rest on it; leave it out")]
    Reserved(String),
    /// librdkafka does not know it, or not with such a value.
    #[error(
        "kafka.client: {0} is no property of librdkafka, or cannot have this value; look it up in CONFIGURATION.md"
    )]
    Unfit(String),
}

impl KafkaSettings {
    /// Checks the user's properties, each by itself.
    ///
    /// # Errors
    /// When one of them cannot be set.
    pub fn check(&self) -> Result<(), ClientPropertyError> {
        if let Some(key) = self.client.keys().find(|key| RESERVED.contains(&key.as_str())) {
            return Err(ClientPropertyError::Reserved(key.clone()));
        }
        let unfit = |(key, value): &(&String, &String)| {
            ClientConfig::new().set(key.as_str(), value.as_str()).create_native_config().is_err()
        };
        match self.client.iter().find(unfit) {
            Some((key, _)) => Err(ClientPropertyError::Unfit(key.clone())),
            None => Ok(()),
        }
    }

    /// For looking at topics, and making them.
    #[must_use]
    pub fn admin(&self) -> ClientConfig {
        self.config(&[], &[])
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

    /// The producer of decisions. It never gives a record up: those that wait are on disk.
    #[must_use]
    pub fn producer(&self) -> ClientConfig {
        let defaults = [("linger.ms", "5"), ("compression.type", "lz4"), ("reconnect.backoff.max.ms", "2000")];
        self.config(&defaults, &[("enable.idempotence", "true"), ("message.timeout.ms", "0")])
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
        self.config(&defaults, &ours)
    }

    fn config(&self, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap_servers).set("client.id", "quell-gate");
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in &self.client {
            config.set(key, value);
        }
        for (key, value) in ours {
            config.set(*key, *value);
        }
        config
    }
}
