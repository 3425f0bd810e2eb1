//! The engine's life: it starts, stops, or an operator must act.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::Event;
use crate::metrics::Metrics;

/// `quell run` has read its configuration and its policy, and begins.
#[derive(Clone, Debug)]
pub struct EngineStarted<'a> {
    /// Quell's version.
    pub version: &'a str,
    /// The policy's version, as its author calls it.
    pub policy_version: &'a str,
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: &'a str,
    /// `kafka.group_id`
    pub group_id: &'a str,
    /// `topics.shards`
    pub shards: u32,
}

impl Event for EngineStarted<'_> {
    fn emit(&self, _: &Metrics) {
        tracing::info!(
            target: "quell::engine",
            version = self.version,
            policy_version = self.policy_version,
            bootstrap_servers = self.bootstrap_servers,
            group_id = self.group_id,
            shards = self.shards,
            "engine started"
        );
    }
}

/// The HTTP address answers.
#[derive(Clone, Debug)]
pub struct HttpListening {
    /// Where.
    pub address: SocketAddr,
    /// Whether reads of identifiers ask for a token.
    pub token_needed: bool,
}

impl HttpListening {
    pub(crate) fn say(&self) {
        tracing::info!(
            target: "quell::http",
            address = %self.address,
            token_needed = self.token_needed,
            "listening for http"
        );
    }
}

impl Event for HttpListening {
    fn emit(&self, _: &Metrics) {
        self.say();
    }
}

/// The store is open.
#[derive(Clone, Debug)]
pub struct StoreOpened<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// How much of the disk it takes.
    pub bytes: u64,
    /// What opening it took.
    pub took: Duration,
}

impl Event for StoreOpened<'_> {
    fn emit(&self, metrics: &Metrics) {
        let took_seconds = self.took.as_secs_f64();
        tracing::info!(
            target: "quell::engine",
            path = %self.path.display(),
            bytes = self.bytes,
            took_seconds,
            "store opened"
        );
        metrics.series.store_bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

/// Somebody asked it to stop: it takes in no more and commits what it has computed.
#[derive(Clone, Debug)]
pub struct EngineStopping<'a> {
    /// The signal's name.
    pub signal: &'a str,
}

impl Event for EngineStopping<'_> {
    fn emit(&self, _: &Metrics) {
        tracing::info!(target: "quell::engine", signal = self.signal, "engine stopping: finishing what it has begun");
    }
}

/// It has stopped, with everything that it computed committed.
#[derive(Clone, Debug)]
pub struct EngineStopped {
    /// How long the stop took.
    pub took: Duration,
}

impl Event for EngineStopped {
    fn emit(&self, metrics: &Metrics) {
        tracing::info!(target: "quell::engine", took_seconds = self.took.as_secs_f64(), "engine stopped");
        metrics.series.shards_owned.set(0);
        metrics.series.shards_restoring.set(0);
    }
}

/// It ends by itself, for an operator must act.
#[derive(Clone, Debug)]
pub struct EngineFailed<'a> {
    /// What must be mended.
    pub error: &'a (dyn Error + 'static),
}

impl Event for EngineFailed<'_> {
    fn emit(&self, _: &Metrics) {
        tracing::error!(target: "quell::engine", error = self.error, "engine failed: an operator must act");
    }
}
