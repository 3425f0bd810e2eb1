//! The metrics of a gate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::definitions;
use crate::metrics::{RenderError, counter, counters, float_gauge, gauge, gauges, histogram};

/// The label of a system that no policy declares: what callers make up is no label.
const UNKNOWN: &str = "unknown";

/// What labels can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateValues {
    /// The policy's systems.
    pub systems: Vec<String>,
    /// The reasons, each with whether it is a permit.
    pub reasons: Vec<(&'static str, bool)>,
    /// How reviews are resolved.
    pub outcomes: Vec<&'static str>,
}

/// Why a question got no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It could not be understood, or was too long.
    Malformed,
    /// It did not show the token.
    Unauthorized,
    /// Not everything has been read yet.
    NotReady,
    /// The decision could not be recorded in time.
    NotRecorded,
}

impl Refused {
    const ALL: [Self; 4] = [Self::Malformed, Self::Unauthorized, Self::NotReady, Self::NotRecorded];

    fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::NotReady => "not_ready",
            Self::NotRecorded => "not_recorded",
        }
    }
}

/// Every metric of one gate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateMetrics {
    registry: Registry,
    pub(crate) series: Arc<Series>,
}

#[derive(Debug)]
pub(crate) struct Series {
    decisions: IntCounterVec,
    decision_seconds: Histogram,
    refused: IntCounterVec,
    ready: IntGauge,
    pub(crate) suppressed: IntGauge,
    pub(crate) copy_bytes: IntGauge,
    pub(crate) copies_discarded: IntCounter,
    pub(crate) not_understood: IntCounter,
    staleness: Gauge,
    pub(crate) spool_bytes: IntGauge,
    pub(crate) spool_stalls: IntCounter,
    spool_damages: IntCounter,
    refused_by_kafka: IntCounter,
    pub(crate) delivered: IntCounter,
    keys_refused: IntGauge,
    pub(crate) policies_taken: IntCounter,
    pub(crate) policies_refused: IntCounter,
    pub(crate) policy_refused: IntGauge,
    pub(crate) reviews_delivered: IntCounter,
    reviews_pending: IntGaugeVec,
    reviews_oldest: Gauge,
    reviews_left_out: IntGauge,
    reviews_resolved: IntCounterVec,
    pub(crate) reviews_resolved_twice: IntCounter,
    pub(crate) reviews_not_understood: IntCounter,
}

impl GateMetrics {
    /// The metrics of a build's version.
    #[must_use]
    pub fn new(version: &str, values: &GateValues) -> Self {
        let registry = Registry::new();
        let decisions = counters(&registry, definitions::GATE_DECISIONS);
        for system in values.systems.iter().map(String::as_str).chain([UNKNOWN]) {
            for (reason, permits) in &values.reasons {
                decisions.with_label_values(&[system, decision(*permits), reason]).reset();
            }
        }
        let refused = counters(&registry, definitions::GATE_REFUSED);
        Refused::ALL.iter().for_each(|why| refused.with_label_values(&[why.as_str()]).reset());
        let reviews_pending = gauges(&registry, definitions::GATE_REVIEWS_PENDING);
        for system in values.systems.iter().map(String::as_str).chain([UNKNOWN]) {
            reviews_pending.with_label_values(&[system]).set(0);
        }
        let reviews_resolved = counters(&registry, definitions::GATE_REVIEWS_RESOLVED);
        values.outcomes.iter().for_each(|outcome| reviews_resolved.with_label_values(&[outcome]).reset());
        gauges(&registry, definitions::BUILD_INFO).with_label_values(&[version]).set(1);
        let staleness = float_gauge(&registry, definitions::GATE_STALENESS);
        staleness.set(f64::INFINITY);
        let policies = counters(&registry, definitions::GATE_POLICIES);
        let series = Series {
            policies_taken: policies.with_label_values(&["taken"]),
            policies_refused: policies.with_label_values(&["refused"]),
            policy_refused: gauge(&registry, definitions::GATE_POLICY_REFUSED),
            decision_seconds: histogram(&registry, definitions::GATE_DECISION_SECONDS),
            ready: gauge(&registry, definitions::GATE_READY),
            suppressed: gauge(&registry, definitions::GATE_SUPPRESSED),
            copy_bytes: gauge(&registry, definitions::GATE_COPY_BYTES),
            copies_discarded: counter(&registry, definitions::GATE_COPIES_DISCARDED),
            not_understood: counter(&registry, definitions::GATE_NOT_UNDERSTOOD),
            spool_bytes: gauge(&registry, definitions::GATE_SPOOL_BYTES),
            spool_stalls: counter(&registry, definitions::GATE_SPOOL_STALLS),
            spool_damages: counter(&registry, definitions::GATE_SPOOL_DAMAGES),
            refused_by_kafka: counter(&registry, definitions::GATE_REFUSED_BY_KAFKA),
            delivered: counter(&registry, definitions::GATE_DELIVERED),
            keys_refused: gauge(&registry, definitions::GATE_KEYS_REFUSED),
            reviews_delivered: counter(&registry, definitions::GATE_REVIEWS_DELIVERED),
            reviews_oldest: float_gauge(&registry, definitions::GATE_REVIEWS_OLDEST),
            reviews_left_out: gauge(&registry, definitions::GATE_REVIEWS_LEFT_OUT),
            reviews_resolved_twice: counter(&registry, definitions::GATE_REVIEWS_RESOLVED_TWICE),
            reviews_not_understood: counter(&registry, definitions::GATE_REVIEWS_NOT_UNDERSTOOD),
            reviews_pending,
            reviews_resolved,
            staleness,
            decisions,
            refused,
        };
        Self { registry, series: Arc::new(series) }
    }

    /// A decision was recorded, and is answered.
    pub fn decided(&self, system: Option<&str>, permits: bool, reason: &str) {
        let labels = [system.unwrap_or(UNKNOWN), decision(permits), reason];
        self.series.decisions.with_label_values(&labels).inc();
    }

    /// A question was answered, in so much time.
    pub fn answered(&self, took: Duration) {
        self.series.decision_seconds.observe(took.as_secs_f64());
    }

    /// A question got no decision.
    pub fn refused(&self, why: Refused) {
        self.series.refused.with_label_values(&[why.as_str()]).inc();
    }

    /// Whether questions are answered.
    pub fn set_ready(&self, ready: bool) {
        self.series.ready.set(i64::from(ready));
    }

    /// Whether the keys cannot be read as they are now, and those that were read last are held to.
    pub fn set_keys_refused(&self, refused: bool) {
        self.series.keys_refused.set(i64::from(refused));
    }

    /// How many identifiers are in the index.
    pub fn set_suppressed(&self, count: usize) {
        self.series.suppressed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How old what is known is; infinitely old while nobody says.
    pub fn set_staleness(&self, staleness: Option<Duration>) {
        self.series.staleness.set(staleness.map_or(f64::INFINITY, |staleness| staleness.as_secs_f64()));
    }

    /// How large the spool is.
    pub fn set_spool_bytes(&self, bytes: u64) {
        self.series.spool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A segment of the spool could not be read whole.
    pub fn spool_damaged(&self) {
        self.series.spool_damages.inc();
    }

    /// Kafka refused so many records for what they are.
    pub fn refused_by_kafka(&self, records: usize) {
        self.series.refused_by_kafka.inc_by(records as u64);
    }

    /// How large the local copy is.
    pub fn set_copy_bytes(&self, bytes: u64) {
        self.series.copy_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How many reviews are pending, by system; those of what is no system of the policy (any more) are counted together.
    pub fn set_reviews_pending<'a>(&self, systems: impl Iterator<Item = &'a str>, pending: &BTreeMap<String, usize>) {
        let mut counts: BTreeMap<&str, usize> = systems.chain([UNKNOWN]).map(|system| (system, 0)).collect();
        for (system, count) in pending {
            let known = if counts.contains_key(system.as_str()) { system.as_str() } else { UNKNOWN };
            *counts.entry(known).or_default() += count;
        }
        self.series.reviews_pending.reset();
        for (system, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.series.reviews_pending.with_label_values(&[system]).set(count);
        }
    }

    /// How long the oldest pending review has waited, and whether there are more than are known.
    pub fn set_reviews_oldest(&self, oldest: Duration, has_left_out: bool) {
        self.series.reviews_oldest.set(oldest.as_secs_f64());
        self.series.reviews_left_out.set(i64::from(has_left_out));
    }

    /// A review was resolved.
    pub fn review_resolved(&self, outcome: &str) {
        self.series.reviews_resolved.with_label_values(&[outcome]).inc();
    }

    /// A record of the suppressions' topic could not be understood.
    pub fn not_understood(&self) {
        self.series.not_understood.inc();
    }

    /// All of them in Prometheus' text format.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn text(&self) -> Result<String, RenderError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

fn decision(permits: bool) -> &'static str {
    if permits { "permit" } else { "deny" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn every_metric_of_the_gate_has_the_name_and_the_labels_of_the_contract() {
        let values = GateValues {
            systems: vec!["hiring".to_owned()],
            reasons: vec![("clear", true), ("stale", false)],
            outcomes: vec!["granted"],
        };
        let text = GateMetrics::new("1.2.3", &values).text().unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
        insta::assert_snapshot!(series.collect::<Vec<_>>().join("\n"), @r#"
        quell_build_info{version="1.2.3"} 1
        quell_gate_copies_discarded_total 0
        quell_gate_copy_bytes 0
        quell_gate_decision_seconds_sum 0
        quell_gate_decision_seconds_count 0
        quell_gate_decisions_delivered_total 0
        quell_gate_decisions_total{decision="deny",reason="stale",system="hiring"} 0
        quell_gate_decisions_total{decision="deny",reason="stale",system="unknown"} 0
        quell_gate_decisions_total{decision="permit",reason="clear",system="hiring"} 0
        quell_gate_decisions_total{decision="permit",reason="clear",system="unknown"} 0
        quell_gate_identifiers 0
        quell_gate_keys_refused 0
        quell_gate_policies_total{outcome="refused"} 0
        quell_gate_policies_total{outcome="taken"} 0
        quell_gate_policy_refused 0
        quell_gate_ready 0
        quell_gate_records_not_understood_total 0
        quell_gate_records_refused_by_kafka_total 0
        quell_gate_refused_total{reason="malformed"} 0
        quell_gate_refused_total{reason="not_ready"} 0
        quell_gate_refused_total{reason="not_recorded"} 0
        quell_gate_refused_total{reason="unauthorized"} 0
        quell_gate_reviews_delivered_total 0
        quell_gate_reviews_left_out 0
        quell_gate_reviews_not_understood_total 0
        quell_gate_reviews_oldest_pending_seconds 0
        quell_gate_reviews_pending{system="hiring"} 0
        quell_gate_reviews_pending{system="unknown"} 0
        quell_gate_reviews_resolved_total{outcome="granted"} 0
        quell_gate_reviews_resolved_twice_total 0
        quell_gate_spool_bytes 0
        quell_gate_spool_damages_total 0
        quell_gate_spool_stalls_total 0
        quell_gate_staleness_seconds inf
        "#);
    }
}
