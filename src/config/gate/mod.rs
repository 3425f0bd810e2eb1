//! `gate.toml`: the configuration of `quell gate`.

mod raw;
mod resolve;

use std::path::{Path, PathBuf};

use quell_gate::KafkaSettings;
use quell_gate::http::GateOptions;
use quell_gate::spool::SpoolOptions;

use super::error::ConfigError;
use super::file::{Written, process_environment};
use super::{Encoding, Log};
pub use raw::RawGateConfig;

/// What an operator chose; valid.
#[derive(Clone, Debug)]
pub struct GateConfig {
    pub kafka: KafkaSettings,
    pub topics: GateTopics,
    /// `gate.downstream`: whose suppressions are read.
    pub downstream: String,
    /// `gate.resource_type`: what a system is called in questions.
    pub resource_type: String,
    /// `copy.path`
    pub copy_path: PathBuf,
    pub spool: SpoolOptions,
    /// `keys.path`
    pub keys_path: PathBuf,
    pub encoding: Encoding,
    pub http: GateOptions,
    /// `policy.path`
    pub policy_path: PathBuf,
    pub log: Log,
}

/// `[topics]`
#[derive(Clone, Debug)]
pub struct GateTopics {
    pub watermarks: String,
    pub decisions: String,
    pub reviews: String,
    pub partitions: u32,
    pub replication_factor: u32,
}

impl GateConfig {
    /// Reads and resolves the configuration of this process.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Written::<RawGateConfig>::read(path, process_environment())?.resolve()
    }
}
