//! The broker goes and comes back.

use std::time::Duration;

use super::Event;
use crate::metrics::Metrics;

/// No broker answers. Quell waits; it never ends for that. Said again from time to time while it lasts, at a pace that
/// the caller sets.
#[derive(Clone, Debug)]
pub struct BrokerUnreachable<'a> {
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: &'a str,
    /// What the client says.
    pub reason: &'a str,
    /// For how long already.
    pub lasted: Duration,
}

impl BrokerUnreachable<'_> {
    pub(crate) fn say(&self) {
        tracing::warn!(
            target: "quell::kafka",
            bootstrap_servers = self.bootstrap_servers,
            reason = self.reason,
            lasted_seconds = self.lasted.as_secs(),
            "no broker answers; waiting"
        );
    }
}

impl Event for BrokerUnreachable<'_> {
    fn emit(&self, _: &Metrics) {
        self.say();
    }
}

/// A broker answers again.
#[derive(Clone, Debug)]
pub struct BrokerBack {
    /// How long none did.
    pub lasted: Duration,
}

impl BrokerBack {
    pub(crate) fn say(&self) {
        tracing::info!(target: "quell::kafka", lasted_seconds = self.lasted.as_secs(), "a broker answers again");
    }
}

impl Event for BrokerBack {
    fn emit(&self, _: &Metrics) {
        self.say();
    }
}
