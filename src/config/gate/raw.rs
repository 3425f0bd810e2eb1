//! `gate.toml` as it is written: every key, and what holds where it is not set.
//!
//! A default stands here, once, with its reason. `docs/configuration.md` is tested against this file.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::GateConfig;
use super::resolve::resolve;
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, FileKind};
use crate::config::raw::{RawConfig, RawEncoding, RawLog, RawPolicy};
use crate::config::secrets::Secrets;
use crate::config::sources::Sources;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawGateConfig {
    pub kafka: RawGateKafka,
    pub topics: RawGateTopics,
    pub gate: RawGate,
    pub copy: RawCopy,
    pub spool: RawSpool,
    pub keys: RawKeys,
    pub encoding: RawEncoding,
    pub http: RawGateHttp,
    pub reviews: RawReviews,
    pub policy: RawPolicy,
    pub log: RawLog,
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawGateKafka {
    pub bootstrap_servers: String,
    pub client: Table,
}

impl Default for RawGateKafka {
    fn default() -> Self {
        // Where a broker on one's own machine listens.
        Self { bootstrap_servers: "127.0.0.1:9092".to_owned(), client: Table::new() }
    }
}

/// `[topics]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawGateTopics {
    pub watermarks: String,
    pub decisions: String,
    pub reviews: String,
    pub partitions: i64,
    pub replication_factor: i64,
}

impl Default for RawGateTopics {
    fn default() -> Self {
        Self {
            watermarks: "quell.watermarks".to_owned(),
            decisions: "quell.decisions".to_owned(),
            reviews: "quell.reviews".to_owned(),
            partitions: 8,
            // What a single broker can do.
            replication_factor: 1,
        }
    }
}

/// `[gate]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawGate {
    pub downstream: String,
    pub resource_type: String,
}

impl Default for RawGate {
    fn default() -> Self {
        Self { downstream: "ml".to_owned(), resource_type: "admt_system".to_owned() }
    }
}

/// `[copy]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawCopy {
    pub path: String,
}

impl Default for RawCopy {
    fn default() -> Self {
        Self { path: "gate/copy".to_owned() }
    }
}

/// `[spool]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawSpool {
    pub path: String,
    pub size: String,
    pub deadline: String,
    pub sync_within: String,
}

impl Default for RawSpool {
    fn default() -> Self {
        Self {
            path: "gate/spool".to_owned(),
            // Some two million decisions: at a thousand a second, Kafka may be away for half an hour.
            size: "1GiB".to_owned(),
            // Longer than a busy disk takes, shorter than most callers wait.
            deadline: "1s".to_owned(),
            // About as long as Kafka takes to have a decision anyhow.
            sync_within: "20ms".to_owned(),
        }
    }
}

/// `[keys]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawKeys {
    pub path: String,
}

impl Default for RawKeys {
    fn default() -> Self {
        Self { path: "gate/keys".to_owned() }
    }
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawGateHttp {
    pub listen: String,
    pub token: String,
    pub token_file: String,
    pub url: String,
    pub tls_certificate: String,
    pub tls_key: String,
}

impl Default for RawGateHttp {
    fn default() -> Self {
        Self {
            // This machine alone: who has opted out can be asked there. Beside the engine's port.
            listen: "127.0.0.1:9465".to_owned(),
            token: String::new(),
            token_file: String::new(),
            url: String::new(),
            tls_certificate: String::new(),
            tls_key: String::new(),
        }
    }
}

/// `[reviews]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawReviews {
    pub token: String,
    pub token_file: String,
}

impl ConfigFile for RawGateConfig {
    const KIND: &'static FileKind = &FileKind {
        name: "gate.toml",
        prefix: "QUELL_GATE_",
        prefix_of_another: None,
        defaults_by: "quell config show --gate --defaults",
        known_to_the_other: RawConfig::known_keys,
        if_the_other_is_meant: "is a section of the engine's file, quell.toml; name the gate's file by --config",
    };

    type Resolved = GateConfig;

    fn resolve(&self, sources: &Sources) -> Result<GateConfig, ConfigError> {
        resolve(self, sources)
    }

    fn secrets(&mut self) -> Secrets<'_> {
        Secrets {
            tokens: vec![&mut self.http.token, &mut self.reviews.token],
            schema_registry_url: &mut self.encoding.schema_registry_url,
            client: &mut self.kafka.client,
        }
    }
}
