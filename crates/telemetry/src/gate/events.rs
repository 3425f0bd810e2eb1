//! What happens at a gate.

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
    fn emit(&self, _: &GateMetrics) {
        tracing::info!(
            target: "quell::gate",
            identifiers = self.identifiers,
            took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "the gate answers"
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
