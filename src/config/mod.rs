//! The configuration: file, environment and defaults, resolved in one place.
//!
//! ```text
//! quell.toml ──> keys (known, of the right kind) ──┐
//! QUELL_… ─────> environment ──────────────────────┼──> RawConfig ──> resolve ──> Config
//! defaults (raw) ──────────────────────────────────┘
//! ```

mod byte_size;
mod client_properties;
mod environment;
mod error;
mod keys;
mod raw;
mod resolve;
mod secrets;
mod sources;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use quell_domain::{ShardCount, toml_error};
use quell_http::Token;
use quell_telemetry::logging::{LogFormat, LogLevel};
use quell_wire::Format;
use toml::Table;

pub use error::ConfigError;
pub use raw::RawConfig;
pub use secrets::masked;
use sources::Sources;

/// Where the configuration is looked for if nobody says.
const DEFAULT_PATH: &str = "quell.toml";

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

/// The configuration as it is written, with what the environment overrides.
#[derive(Clone, Debug)]
pub struct Written {
    raw: RawConfig,
    sources: Sources,
}

impl Written {
    /// Reads the file, and the environment on top of it.
    ///
    /// # Errors
    /// When the file is missing, or a key is unknown or of the wrong kind.
    pub fn read(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = fs::read_to_string(file).map_err(|source| match path {
            None if source.kind() == io::ErrorKind::NotFound => ConfigError::NoneHere,
            _ => ConfigError::Unreadable { path: file.to_owned(), source },
        })?;
        let not_toml = |error| ConfigError::NotToml { path: file.to_owned(), message: toml_error(&text, &error) };
        let mut table: Table = toml::from_str(&text).map_err(not_toml)?;
        let (known, mut sources) = (RawConfig::known_keys(), Sources::new(file));
        keys::check(&table, &known, &sources)?;
        environment::apply(variables, &known, &mut table, &mut sources)?;
        let raw = table.try_into().map_err(not_toml)?;
        Ok(Self { raw, sources })
    }

    /// As it is written.
    pub fn raw(&self) -> &RawConfig {
        &self.raw
    }

    /// What holds.
    ///
    /// # Errors
    /// When a value cannot be what it is.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        resolve::resolve(&self.raw, &self.sources)
    }
}

impl Config {
    /// Reads and resolves the configuration of this process.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Written::read(path, process_environment())?.resolve()
    }
}

/// This process' environment, as far as it is text.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
