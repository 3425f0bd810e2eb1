//! `quell.toml` as it is written: every key, and what holds where it is not set.
//!
//! A default stands here, once, with its reason. `docs/configuration.md` is tested against this file.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::Config;
use super::error::ConfigError;
use super::file::{ConfigFile, FileKind};
use super::gate::RawGateConfig;
use super::resolve::resolve;
use super::secrets::Secrets;
use super::sources::Sources;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawConfig {
    pub kafka: RawKafka,
    pub topics: RawTopics,
    pub store: RawStore,
    pub engine: RawEngine,
    pub encoding: RawEncoding,
    pub http: RawHttp,
    pub policy: RawPolicy,
    pub log: RawLog,
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawKafka {
    pub bootstrap_servers: String,
    pub group_id: String,
    pub client: Table,
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            // Where a broker on one's own machine listens.
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            group_id: "quell".to_owned(),
            client: Table::new(),
        }
    }
}

/// `[topics]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawTopics {
    pub choices: String,
    pub links: String,
    pub acks: String,
    pub dead_letters: String,
    pub audit: String,
    pub graph: String,
    pub changelog: String,
    pub watermarks: String,
    pub shards: i64,
    pub partitions: i64,
    pub replication_factor: i64,
}

impl Default for RawTopics {
    fn default() -> Self {
        Self {
            choices: "optout.events".to_owned(),
            links: "identity.links".to_owned(),
            acks: "suppression.acks".to_owned(),
            dead_letters: "quell.deadletters".to_owned(),
            audit: "quell.audit".to_owned(),
            graph: "quell.graph".to_owned(),
            changelog: "quell.changelog".to_owned(),
            watermarks: "quell.watermarks".to_owned(),
            // As many instances can share the work. More cost a request each in a transaction that touches them.
            shards: 8,
            partitions: 8,
            // What a single broker can do.
            replication_factor: 1,
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawStore {
    pub path: String,
    pub memory: String,
}

impl Default for RawStore {
    fn default() -> Self {
        // The nodes of some million identifiers, on a machine that has other things to do.
        Self { path: "data".to_owned(), memory: "512MiB".to_owned() }
    }
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawEngine {
    pub threads: i64,
    pub relax_after: String,
    pub epoch_records_max: i64,
    pub epoch_bytes_max: String,
    pub review_rate: i64,
    pub standby_replicas: i64,
}

impl Default for RawEngine {
    fn default() -> Self {
        Self {
            threads: 2,
            // Longer than a retraction takes to go through a graph that is shared by several instances.
            relax_after: "10s".to_owned(),
            // Past this a transaction's fixed cost is small beside the records', and a longer one only delays them.
            epoch_records_max: 40_000,
            epoch_bytes_max: "16MiB".to_owned(),
            // A fraction of what the live stream can do, so that a policy change is not felt there.
            review_rate: 10_000,
            // A copy costs its disk and the reading of its changelog; a restore takes seconds for most.
            standby_replicas: 0,
        }
    }
}

/// `[encoding]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawEncoding {
    pub format: String,
    pub schema_registry_url: String,
}

impl Default for RawEncoding {
    fn default() -> Self {
        // The one that needs nothing but the schema.
        Self { format: "avro".to_owned(), schema_registry_url: String::new() }
    }
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawHttp {
    pub listen: String,
    pub token: String,
    pub token_file: String,
}

impl Default for RawHttp {
    fn default() -> Self {
        // This machine alone: identifiers can be read there.
        Self { listen: "127.0.0.1:9464".to_owned(), token: String::new(), token_file: String::new() }
    }
}

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawPolicy {
    pub path: String,
}

impl Default for RawPolicy {
    fn default() -> Self {
        Self { path: "policy.toml".to_owned() }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawLog {
    pub format: String,
    pub level: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: "text".to_owned(), level: "info".to_owned() }
    }
}

impl ConfigFile for RawConfig {
    const KIND: &'static FileKind = &FileKind {
        name: "quell.toml",
        prefix: "QUELL_",
        prefix_of_another: Some("QUELL_GATE_"),
        defaults_by: "quell config show --defaults",
        known_to_the_other: RawGateConfig::known_keys,
        if_the_other_is_meant: "is a section of the gate's file, gate.toml; if that is meant, add --gate, \
                                else name the engine's file by --config",
    };

    type Resolved = Config;

    fn resolve(&self, sources: &Sources) -> Result<Config, ConfigError> {
        resolve(self, sources)
    }

    fn secrets(&mut self) -> Secrets<'_> {
        Secrets {
            tokens: vec![&mut self.http.token],
            schema_registry_url: &mut self.encoding.schema_registry_url,
            client: &mut self.kafka.client,
        }
    }
}
