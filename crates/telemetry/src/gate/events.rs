//! What happens at a gate.

use std::error::Error;
use std::ops::AddAssign;
use std::path::Path;
use std::time::Duration;

use super::metrics::GateMetrics;
use crate::events::{BrokerBack, BrokerUnreachable, HttpListening};

/// Something that happened at a gate.
pub trait GateEvent {
    /// Writes its line and moves its metrics.
    fn emit(&self, metrics: &GateMetrics);
}

/// `quell gate` has read its configuration and its policy, and begins.
#[derive(Clone, Debug)]
pub struct GateStarted<'a> {
    /// Quell's version.
    pub version: &'a str,
    /// The policy's version, as its author calls it.
    pub policy_version: &'a str,
    /// `kafka.bootstrap_servers`
    pub bootstrap_servers: &'a str,
    /// The downstream's topic.
    pub topic: &'a str,
}

impl GateEvent for GateStarted<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::info!(
            target: "quell::gate",
            version = self.version,
            policy_version = self.policy_version,
            bootstrap_servers = self.bootstrap_servers,
            topic = self.topic,
            "gate started"
        );
    }
}

impl GateEvent for HttpListening {
    fn emit(&self, _: &GateMetrics) {
        self.say();
    }
}

impl GateEvent for BrokerUnreachable<'_> {
    fn emit(&self, _: &GateMetrics) {
        self.say();
    }
}

impl GateEvent for BrokerBack {
    fn emit(&self, _: &GateMetrics) {
        self.say();
    }
}

/// The schema registry has no id yet for what is to be written.
#[derive(Clone, Debug)]
pub struct GateWaitsForRegistry<'a> {
    /// What it was asked for, and what came of it.
    pub reason: &'a str,
}

impl GateEvent for GateWaitsForRegistry<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::warn!(target: "quell::registry", reason = self.reason, "the schema registry does not answer; waiting");
    }
}

/// The local copy is open, and the index filled from it.
#[derive(Clone, Debug)]
pub struct CopyOpened<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// How many identifiers it knows.
    pub identifiers: usize,
    /// How large it is.
    pub bytes: u64,
    /// What was cut off, since a crash had left it or it was not as it was written: it is read from Kafka again.
    pub cut_bytes: u64,
    /// What opening it took.
    pub took: Duration,
}

impl GateEvent for CopyOpened<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.set_copy_bytes(self.bytes);
        tracing::info!(
            target: "quell::gate",
            path = %self.path.display(),
            identifiers = self.identifiers,
            bytes = self.bytes,
            cut_bytes = self.cut_bytes,
            took_seconds = self.took.as_secs_f64(),
            "local copy opened"
        );
    }
}

/// Somebody asked it to stop: it takes no more questions and answers those under way.
#[derive(Clone, Debug)]
pub struct GateStopping<'a> {
    /// The signal's name.
    pub signal: &'a str,
}

impl GateEvent for GateStopping<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::info!(target: "quell::gate", signal = self.signal, "gate stopping: answering what it was asked");
    }
}

/// It has stopped. What is still in the spool is delivered by whoever comes next.
#[derive(Clone, Debug)]
pub struct GateStopped {
    /// How long the stop took.
    pub took: Duration,
}

impl GateEvent for GateStopped {
    fn emit(&self, metrics: &GateMetrics) {
        let (took_seconds, spool_bytes) = (self.took.as_secs_f64(), metrics.series.spool_bytes.get());
        tracing::info!(target: "quell::gate", took_seconds, spool_bytes, "gate stopped");
    }
}

/// It ends by itself, for an operator must act.
#[derive(Clone, Debug)]
pub struct GateFailed<'a> {
    /// What must be mended.
    pub error: &'a (dyn Error + 'static),
}

impl GateEvent for GateFailed<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::error!(target: "quell::gate", error = self.error, "gate failed: an operator must act");
    }
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

/// The policy has changed, and the gate holds to it from now on.
#[derive(Clone, Debug)]
pub struct PolicyTaken<'a> {
    /// What its author calls it.
    pub version: &'a str,
    /// Of its text.
    pub sha256: &'a str,
}

impl GateEvent for PolicyTaken<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.policies_taken.inc();
        metrics.series.policy_refused.set(0);
        tracing::info!(target: "quell::policy", version = self.version, sha256 = self.sha256, "changed policy taken up");
    }
}

/// The policy has changed, and the gate cannot hold to it: it holds to the one that it has.
#[derive(Clone, Debug)]
pub struct PolicyRefused<'a> {
    /// Why.
    pub reason: &'a str,
}

impl GateEvent for PolicyRefused<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.policies_refused.inc();
        metrics.series.policy_refused.set(1);
        tracing::error!(target: "quell::policy", reason = self.reason, "changed policy refused; the old one holds");
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

/// Records have arrived in Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordsDelivered {
    /// Of how many decisions.
    pub decisions: u64,
    /// Of reviews: how many.
    pub reviews: u64,
}

impl AddAssign for RecordsDelivered {
    fn add_assign(&mut self, more: Self) {
        self.decisions += more.decisions;
        self.reviews += more.reviews;
    }
}

impl GateEvent for RecordsDelivered {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.delivered.inc_by(self.decisions);
        metrics.series.reviews_delivered.inc_by(self.reviews);
        tracing::debug!(
            target: "quell::gate",
            decisions = self.decisions,
            reviews = self.reviews,
            "records delivered"
        );
    }
}

/// The directory of keys has changed: from now on these are published, and one of them signs.
#[derive(Clone, Copy, Debug)]
pub struct KeysRead<'a> {
    /// How many there are.
    pub keys: usize,
    /// The one that signs now, if there is one.
    pub in_use: Option<&'a str>,
}

impl GateEvent for KeysRead<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::info!(target: "quell::gate", keys = self.keys, in_use = self.in_use, "the keys have changed");
    }
}

/// The directory of keys cannot be read any more: those that were read last are held to.
#[derive(Clone, Copy, Debug)]
pub struct KeysRefused<'a> {
    /// Why.
    pub error: &'a dyn Error,
}

impl GateEvent for KeysRefused<'_> {
    fn emit(&self, _: &GateMetrics) {
        tracing::error!(
            target: "quell::gate",
            error = %self.error,
            "the keys cannot be read; those that were read last are held to"
        );
    }
}

/// A review has two resolutions: two humans were at it at once, at two gates.
#[derive(Clone, Debug)]
pub struct ReviewResolvedTwice<'a> {
    /// Its id.
    pub review_id: &'a str,
}

impl GateEvent for ReviewResolvedTwice<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.reviews_resolved_twice.inc();
        tracing::warn!(
            target: "quell::gate",
            review_id = self.review_id,
            "a review was resolved twice at once; the earlier resolution holds"
        );
    }
}

/// A record of the reviews' topic says nothing that can be understood.
#[derive(Clone, Debug)]
pub struct ReviewNotUnderstood<'a> {
    /// Where it stands.
    pub partition: i32,
    /// Likewise.
    pub offset: i64,
    /// Why.
    pub reason: &'a str,
}

impl GateEvent for ReviewNotUnderstood<'_> {
    fn emit(&self, metrics: &GateMetrics) {
        metrics.series.reviews_not_understood.inc();
        let Self { partition, offset, reason } = self;
        tracing::error!(target: "quell::gate", partition, offset, reason, "a review cannot be understood");
    }
}
