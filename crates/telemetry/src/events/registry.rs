//! The schema registry goes and comes back.

use super::Event;
use crate::metrics::Metrics;

/// A record names a schema that is not known yet, and the registry does not answer. The record and those behind it wait.
/// Said again from time to time while it lasts, at a pace that the caller sets.
#[derive(Clone, Debug)]
pub struct RegistryUnavailable<'a> {
    /// What it was asked for, and what came of it.
    pub reason: &'a str,
}

impl Event for RegistryUnavailable<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::warn!(
            target: "quell::registry",
            reason = self.reason,
            "the schema registry does not answer; the inputs wait"
        );
        metrics.series.registry_stalled.set(1);
    }
}

/// The registry answers again.
#[derive(Clone, Copy, Debug)]
pub struct RegistryBack;

impl Event for RegistryBack {
    fn emit(&self, metrics: &Metrics) {
        tracing::info!(target: "quell::registry", "the schema registry answers again");
        metrics.series.registry_stalled.set(0);
    }
}
