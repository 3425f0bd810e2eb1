//! What happens at a gate.

use std::path::Path;
use std::time::Duration;

use super::metrics::GateMetrics;

/// Something that happened at a gate.
pub trait GateEvent {
    /// Writes its line and moves its metrics.
    fn emit(&self, metrics: &GateMetrics);
}

/// All that stood in the topic when the gate began is read: it answers.
#[derive(Clone, Debug)]
pub struct GateReady {
    /// How many identifiers are known.
    pub identifiers: usize,
    /// How long it took.
    pub took: Duration,
}

impl GateEvent for GateReady {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.set_ready(true);
        tracing::info!(
            target: "quell::gate",
            identifiers = self.identifiers,
            took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "the gate answers"
        );
    }
}

/// The local copy was read.
#[derive(Clone, Debug)]
pub struct CopyOpened<'a> {
    /// Its file.
    pub path: &'a Path,
    /// How many identifiers it has.
    pub identifiers: usize,
    /// Bytes behind its last whole block, which were cut off: they are read from Kafka again.
    pub cut_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

impl GateEvent for CopyOpened<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.set_suppressed(self.identifiers);
        tracing::info!(
            target: "quell::gate",
            path = %self.path.display(),
            identifiers = self.identifiers,
            cut_bytes = self.cut_bytes,
            took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "the local copy was read"
        );
    }
}

/// The local copy is of no use: all is read from Kafka anew.
#[derive(Clone, Debug)]
pub struct CopyDiscarded<'a> {
    /// Why.
    pub reason: &'a str,
}

impl GateEvent for CopyDiscarded<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.set_ready(false);
        metrics.series.copies_discarded.inc();
        tracing::warn!(target: "quell::gate", reason = self.reason, "the local copy is discarded; reading all anew");
    }
}

/// Decisions cannot be written to the spool: it is full, or its disk fails. Questions wait, and are then refused.
#[derive(Clone, Debug)]
pub struct SpoolStalled<'a> {
    /// Why.
    pub reason: &'a str,
}

impl GateEvent for SpoolStalled<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.spool_stalls.inc();
        tracing::error!(target: "quell::gate", reason = self.reason, "decisions cannot be recorded; none is answered");
    }
}

/// Records of decisions have arrived in Kafka.
#[derive(Clone, Copy, Debug)]
pub struct DecisionsDelivered {
    /// How many.
    pub records: u64,
}

impl GateEvent for DecisionsDelivered {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.delivered.inc_by(self.records);
        tracing::debug!(target: "quell::gate", records = self.records, "decisions delivered");
    }
}

/// Another policy was put before the gate.
#[derive(Clone, Debug)]
pub struct PolicyTaken<'a> {
    /// Its version, or why the gate keeps the one that it has.
    pub outcome: Result<&'a str, &'a str>,
}

impl GateEvent for PolicyTaken<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        match self.outcome {
            Ok(version) => {
                metrics.series.policies.with_label_values(&["taken"]).inc();
                tracing::info!(target: "quell::gate", version, "the policy is taken up");
            }
            Err(reason) => {
                metrics.series.policies.with_label_values(&["refused"]).inc();
                tracing::error!(target: "quell::gate", reason, "the policy cannot be held to; keeping the one in hand");
            }
        }
    }
}
