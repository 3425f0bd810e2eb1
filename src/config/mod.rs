//! The configuration: file, environment and defaults, resolved in one place.
//!
//! ```text
//! quell.toml ──> keys (known, of the right kind) ──┐
//! QUELL_… ─────> environment ──────────────────────┼──> RawConfig ──> resolve ──> Config
//! defaults (raw) ──────────────────────────────────┘
//! ```
//!
//! `gate.toml` goes the same way (`file`), from `RawGateConfig` to `GateConfig`.

mod byte_size;
mod client_properties;
mod environment;
mod error;
mod file;
mod gate;
mod keys;
mod raw;
mod resolve;
mod secrets;
mod sources;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_domain::ShardCount;
use quell_http::Token;
use quell_telemetry::logging::{LogFormat, LogLevel};
use quell_wire::Format;

pub use error::ConfigError;
pub use file::{ConfigFile, Written, process_environment};
pub use gate::{GateConfig, GateTopics, RawGateConfig};
pub use raw::RawConfig;
pub use secrets::masked;

/// What an operator chose; valid.
#[derive(Clone, Debug)]
pub struct Config {
    pub kafka: Kafka,
    pub topics: Topics,
    pub store: Store,
    pub engine: Engine,
    pub encoding: Encoding,
    pub http: Http,
    /// `policy.path`
    pub policy_path: PathBuf,
    pub log: Log,
}

/// `[kafka]`
#[derive(Clone, Debug)]
pub struct Kafka {
    pub bootstrap_servers: String,
    pub group_id: String,
    /// `[kafka.client]`: properties of librdkafka.
    pub client: BTreeMap<String, String>,
}

/// `[topics]`
#[derive(Clone, Debug)]
pub struct Topics {
    pub choices: String,
    pub links: String,
    pub acks: String,
    pub dead_letters: String,
    pub audit: String,
    pub graph: String,
    pub changelog: String,
    pub watermarks: String,
    pub shards: ShardCount,
    pub partitions: u32,
    pub replication_factor: u32,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    pub path: PathBuf,
    pub memory_bytes: usize,
}

/// `[engine]`
#[derive(Clone, Debug)]
pub struct Engine {
    pub threads: usize,
    pub relax_after: Duration,
    pub epoch_records_max: usize,
    pub epoch_bytes_max: usize,
    pub review_rate: u32,
    pub standby_replicas: usize,
}

/// `[encoding]`
#[derive(Clone, Debug)]
pub struct Encoding {
    pub format: Format,
    pub schema_registry_url: Option<String>,
}

/// `[http]`
#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    /// From `http.token` or `http.token_file`.
    pub token: Option<Token>,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

impl Config {
    /// Reads and resolves the configuration of this process.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Written::<RawConfig>::read(path, process_environment())?.resolve()
    }
}

#[cfg(test)]
mod tests;
