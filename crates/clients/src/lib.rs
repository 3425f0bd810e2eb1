//! How clients of Kafka are made: the properties of librdkafka that an operator sets, those that are Quell's, and which
//! of them each kind of client takes.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;

/// What begins the names of properties that only the member of a group has, only consumers, and only producers.
const OF_MEMBERS: [&str; 4] = ["session.", "heartbeat.", "group.", "max.poll."];
const OF_CONSUMERS: [&str; 4] = ["fetch.", "queued.", "auto.offset.", "check.crcs"];
const OF_PRODUCERS: [&str; 12] = [
    "linger.",
    "batch.",
    "compression.",
    "queue.buffering.",
    "message.",
    "delivery.",
    "request.required.",
    "acks",
    "retries",
    "partitioner",
    "sticky.",
    "transaction.",
];

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It shares the partitions of its topics with the others of a group.
    Member,
    /// It reads partitions that somebody assigns.
    Reader,
    /// It writes.
    Producer,
    /// It looks after topics, and asks for offsets and metadata.
    Admin,
}

impl Role {
    fn takes(self, property: &str) -> bool {
        let is_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| property.starts_with(prefix));
        (self == Self::Member || !is_of(&OF_MEMBERS))
            && (matches!(self, Self::Member | Self::Reader) || !is_of(&OF_CONSUMERS))
            && (self == Self::Producer || !is_of(&OF_PRODUCERS))
    }
}

/// What all clients of one process have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: &'a str,
    /// By what the brokers' logs and quotas know it.
    pub client_id: &'a str,
    /// `[kafka.client]`: the operator's properties.
    pub client: &'a BTreeMap<String, String>,
}

impl Common<'_> {
    /// The settings of one client: the operator's properties win over the defaults, and Quell's over both. A client is
    /// given only what concerns it, since it would warn of the rest.
    #[must_use]
    pub fn config(&self, role: Role, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers).set("client.id", self.client_id);
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in self.client.iter().filter(|(key, _)| role.takes(key)) {
            config.set(key, value);
        }
        for (key, value) in ours {
            config.set(*key, *value);
        }
        config
    }
}

/// A property that an operator must not set, or cannot. The message never holds its value: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// It is not the operator's to set.
    #[error("kafka.client: {property} belongs to Quell, since {rests_on_it}; leave it out")]
    Reserved {
        /// Which.
        property: String,
        /// What would break, as in "exactly-once rests on it".
        rests_on_it: &'static str,
    },
    /// librdkafka does not know it, or not with such a value.
    #[error(
        "kafka.client: {0} is no property of librdkafka, or cannot have this value; look it up in CONFIGURATION.md"
    )]
    Unfit(String),
}

/// Checks an operator's properties, each by itself.
///
/// # Errors
/// When one of them is reserved, or cannot be set.
pub fn check(
    client: &BTreeMap<String, String>,
    reserved: &[&str],
    rests_on_it: &'static str,
) -> Result<(), PropertyError> {
    if let Some(property) = client.keys().find(|key| reserved.contains(&key.as_str())) {
        return Err(PropertyError::Reserved { property: property.clone(), rests_on_it });
    }
    let unfit = |(key, value): &(&String, &String)| {
        ClientConfig::new().set(key.as_str(), value.as_str()).create_native_config().is_err()
    };
    match client.iter().find(unfit) {
        Some((key, _)) => Err(PropertyError::Unfit(key.clone())),
        None => Ok(()),
    }
}
