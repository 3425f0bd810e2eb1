//! How the clients of one engine are made.

use std::collections::BTreeMap;

use quell_clients::{Common, PropertyError, Role};
use quell_engine::log::InputTopic;
use rdkafka::ClientConfig;

/// Properties that exactly-once rests on: not the user's to change.
const RESERVED: [&str; 8] = [
    "bootstrap.servers",
    "group.id",
    "transactional.id",
    "enable.idempotence",
    "isolation.level",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "partition.assignment.strategy",
];

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// `topics.choices`
    pub choices: String,
    /// `topics.links`
    pub links: String,
    /// `topics.acks`
    pub acks: String,
    /// `topics.graph`
    pub graph: String,
    /// `topics.changelog`
    pub changelog: String,
    /// `topics.dead_letters`
    pub dead_letters: String,
    /// `topics.audit`
    pub audit: String,
    /// `topics.watermarks`
    pub watermarks: String,
    /// The policy's downstreams' topics, in the order of their numbers.
    pub suppressions: Vec<String>,
}

impl Topics {
    /// The name of an input topic.
    #[must_use]
    pub fn input(&self, topic: InputTopic) -> &str {
        match topic {
            InputTopic::Choices => &self.choices,
            InputTopic::Links => &self.links,
            InputTopic::Acks => &self.acks,
            InputTopic::Graph => &self.graph,
        }
    }

    /// The input topic of a name.
    #[must_use]
    pub fn input_of(&self, name: &str) -> Option<InputTopic> {
        INPUTS.into_iter().find(|topic| self.input(*topic) == name)
    }
}

/// All that the engine consumes under its group.
pub const INPUTS: [InputTopic; 4] = [InputTopic::Choices, InputTopic::Links, InputTopic::Acks, InputTopic::Graph];

/// What clients are made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: String,
    /// `kafka.group_id`
    pub group_id: String,
    /// `[kafka.client]`: librdkafka's properties; they win over ours.
    pub client: BTreeMap<String, String>,
    /// The names of the topics.
    pub topics: Topics,
    /// `engine.standby_replicas`: of how many other instances each shard has a warm copy.
    pub standby_replicas: usize,
}

impl Settings {
    /// Checks the user's properties, each by itself.
    ///
    /// # Errors
    /// When one of them cannot be set.
    pub fn check(&self) -> Result<(), PropertyError> {
        quell_clients::check(&self.client, &RESERVED, "exactly-once rests on it")
    }

    fn config(&self, role: Role, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let common = Common { bootstrap_servers: &self.bootstrap_servers, client_id: "quell", client: &self.client };
        common.config(role, defaults, ours)
    }

    /// For topics, offsets and metadata.
    #[must_use]
    pub fn admin(&self) -> ClientConfig {
        self.config(Role::Admin, &[], &[])
    }

    /// The member of the group.
    #[must_use]
    pub fn consumer(&self) -> ClientConfig {
        let defaults = [
            // How soon a dead instance's shards move: the least that a broker allows by its defaults.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1500"),
            // Each partition's fetched records, bounded in bytes: the backlog bounds what was delivered.
            ("queued.max.messages.kbytes", "8192"),
            ("queued.min.messages", "20000"),
            ("fetch.queue.backoff.ms", "2"),
            ("fetch.wait.max.ms", "100"),
            ("topic.metadata.refresh.interval.ms", "30000"),
            ("reconnect.backoff.max.ms", "2000"),
            // `undelivered` is read from the statistics.
            ("statistics.interval.ms", "250"),
        ];
        let ours = [
            ("group.id", self.group_id.as_str()),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            // Shards that stay keep working while others move (KIP-429).
            ("partition.assignment.strategy", "cooperative-sticky"),
        ];
        self.config(Role::Member, &defaults, &ours)
    }

    /// A reader of partitions that somebody assigns, outside the group.
    #[must_use]
    pub fn reader(&self, isolation: &str) -> ClientConfig {
        let group = format!("{}-reader", self.group_id);
        let defaults = [
            ("queued.max.messages.kbytes", "32768"),
            ("queued.min.messages", "100000"),
            ("fetch.queue.backoff.ms", "2"),
            ("fetch.wait.max.ms", "50"),
            // What a broker that had just started said of a topic is believed for no longer.
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("reconnect.backoff.max.ms", "2000"),
        ];
        let ours = [
            ("group.id", group.as_str()),
            ("isolation.level", isolation),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
        ];
        self.config(Role::Reader, &defaults, &ours)
    }

    /// A transactional producer.
    #[must_use]
    pub fn producer(&self, transactional_id: &str) -> ClientConfig {
        let defaults = [
            // An open transaction of a killed instance holds up every read-committed reader for so long.
            ("transaction.timeout.ms", "10000"),
            // Batches are ours already: an epoch is sent at once.
            ("linger.ms", "0"),
            ("batch.num.messages", "20000"),
            ("batch.size", "1000000"),
            ("queue.buffering.max.messages", "1000000"),
            ("queue.buffering.max.kbytes", "524288"),
            // It costs more CPU, here and at the broker, than it saves. What is too large without it is packed all the same.
            ("compression.type", "none"),
            // A dead letter is a record of the largest size, unpacked, and its headers.
            ("message.max.bytes", "134217728"),
            // Where a Java client would put the same key.
            ("partitioner", "murmur2_random"),
            ("reconnect.backoff.max.ms", "2000"),
        ];
        let ours = [("transactional.id", transactional_id), ("enable.idempotence", "true")];
        self.config(Role::Producer, &defaults, &ours)
    }
}
