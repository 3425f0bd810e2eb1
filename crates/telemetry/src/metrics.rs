//! The metrics, registered: definitions become series.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use quell_domain::{DownstreamNumber, RefusalCode};

use crate::consumer_lag::ConsumerLag;
use crate::definitions::{self, Definition};
use crate::labels::{
    CommitFailure, Direction, InputPause, LOCAL, LabelValues, Outcome, REMOTE, Rebalance, RelaxationCause,
};

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// The metrics cannot be written as text.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics")]
pub struct RenderError(#[from] prometheus::Error);

/// Every metric of one engine. Cheap to clone; two of them in one process know nothing of each other.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) series: Arc<Series>,
}

/// The series, for the events to move.
#[derive(Debug)]
pub(crate) struct Series {
    pub events: IntCounterVec,
    pub dead_letters: IntCounterVec,
    /// In the order of the downstreams' numbers.
    downstreams: Vec<DownstreamSeries>,
    pub consumer_lag: ConsumerLag,
    pub epochs: IntCounter,
    pub epoch_seconds: Histogram,
    pub epoch_events: Histogram,
    pub last_commit: Gauge,
    pub complete_through: Gauge,
    pub commit_failures: IntCounterVec,
    pub relaxations: IntCounterVec,
    pub deferred_relaxations: IntGauge,
    pub policy_mismatch: IntGauge,
    pub to_be_reviewed: IntGauge,
    pub panics: IntCounter,
    pub store_damages: IntCounter,
    pub local_messages: IntCounter,
    pub remote_messages: IntCounter,
    pub rebalances: IntCounterVec,
    pub input_pauses: IntCounterVec,
    pub restore_records: IntCounter,
    pub shards_owned: IntGauge,
    pub shards_restoring: IntGauge,
    pub shard_state: OpenGauges,
    pub restore_remaining: IntGauge,
    pub restore_time_left: Gauge,
    pub hubs: ClosedGauges,
    pub unacknowledged: ClosedGauges,
    pub store_bytes: IntGauge,
    pub registry_stalled: IntGauge,
}

/// What is counted for each suppression; looked up once, since there may be a hundred thousand in a second.
#[derive(Debug)]
pub(crate) struct DownstreamSeries {
    pub suppressions: IntCounter,
    pub restrict_seconds: Histogram,
    pub relax_seconds: Histogram,
}

impl Metrics {
    /// The metrics of a build's version, each series with values of closed sets at 0.
    #[must_use]
    pub fn new(version: &str, values: &LabelValues) -> Self {
        let registry = Registry::new();
        let series = Arc::new(Series::new(&registry, values));
        let build_info = gauges(&registry, definitions::BUILD_INFO);
        build_info.with_label_values(&[version]).set(1);
        Self { registry, series }
    }

    /// All of them in Prometheus' text format, [`TEXT_FORMAT`].
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn text(&self) -> Result<String, RenderError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

impl Series {
    fn new(registry: &Registry, values: &LabelValues) -> Self {
        let events = counters(registry, definitions::EVENTS);
        let topics: [(&String, &[Outcome]); 3] = [
            (&values.choices, &Outcome::OF_CHOICES),
            (&values.links, &Outcome::OF_LINKS),
            (&values.acks, &Outcome::OF_ACKS),
        ];
        for (topic, outcomes) in topics {
            begin(&events, outcomes.iter().map(|outcome| [topic.as_str(), outcome.as_str()]));
        }
        let dead_letters = counters(registry, definitions::DEAD_LETTERS);
        begin(&dead_letters, RefusalCode::ALL.map(|code| [code.as_str()]));
        let commit_failures = counters(registry, definitions::COMMIT_FAILURES);
        begin(&commit_failures, CommitFailure::ALL.map(|reason| [reason.as_str()]));
        let relaxations = counters(registry, definitions::RELAXATIONS);
        begin(&relaxations, RelaxationCause::ALL.map(|cause| [cause.as_str()]));
        let rebalances = counters(registry, definitions::REBALANCES);
        begin(&rebalances, Rebalance::ALL.map(|event| [event.as_str()]));
        let input_pauses = counters(registry, definitions::INPUT_PAUSES);
        begin(&input_pauses, InputPause::ALL.map(|reason| [reason.as_str()]));
        let graph_messages = counters(registry, definitions::GRAPH_MESSAGES);
        Self {
            downstreams: DownstreamSeries::all(registry, &values.downstreams),
            consumer_lag: ConsumerLag::new(registry),
            epochs: counter(registry, definitions::EPOCHS),
            epoch_seconds: histogram(registry, definitions::EPOCH_SECONDS),
            epoch_events: histogram(registry, definitions::EPOCH_EVENTS),
            last_commit: float_gauge(registry, definitions::LAST_COMMIT),
            complete_through: float_gauge(registry, definitions::COMPLETE_THROUGH),
            hubs: ClosedGauges::new(registry, definitions::HUBS, &values.identifier_types),
            unacknowledged: ClosedGauges::new(registry, definitions::UNACKNOWLEDGED, &values.downstreams),
            deferred_relaxations: gauge(registry, definitions::DEFERRED_RELAXATIONS),
            local_messages: graph_messages.with_label_values(&[LOCAL]),
            remote_messages: graph_messages.with_label_values(&[REMOTE]),
            restore_records: counter(registry, definitions::RESTORE_RECORDS),
            shards_owned: gauge(registry, definitions::SHARDS_OWNED),
            shards_restoring: gauge(registry, definitions::SHARDS_RESTORING),
            shard_state: OpenGauges(gauges(registry, definitions::SHARD_STATE)),
            restore_remaining: gauge(registry, definitions::RESTORE_REMAINING),
            restore_time_left: float_gauge(registry, definitions::RESTORE_TIME_LEFT),
            store_bytes: gauge(registry, definitions::STORE_BYTES),
            registry_stalled: gauge(registry, definitions::REGISTRY_STALLED),
            policy_mismatch: gauge(registry, definitions::POLICY_MISMATCH),
            to_be_reviewed: gauge(registry, definitions::TO_BE_REVIEWED),
            panics: counter(registry, definitions::PANICS),
            store_damages: counter(registry, definitions::STORE_DAMAGES),
            events,
            dead_letters,
            commit_failures,
            relaxations,
            rebalances,
            input_pauses,
        }
    }

    /// The series of a downstream.
    pub fn downstream(&self, number: DownstreamNumber) -> Option<&DownstreamSeries> {
        self.downstreams.get(usize::from(number.0))
    }
}

impl DownstreamSeries {
    fn all(registry: &Registry, downstreams: &[String]) -> Vec<Self> {
        let suppressions = counters(registry, definitions::SUPPRESSIONS);
        let propagation = histograms(registry, definitions::PROPAGATION);
        let of = |downstream: &String| Self {
            suppressions: suppressions.with_label_values(&[downstream.as_str()]),
            restrict_seconds: propagation.with_label_values(&[downstream.as_str(), Direction::Restrict.as_str()]),
            relax_seconds: propagation.with_label_values(&[downstream.as_str(), Direction::Relax.as_str()]),
        };
        downstreams.iter().map(of).collect()
    }
}

/// Gauges with one label, whose values are known from the start.
#[derive(Debug)]
pub(crate) struct ClosedGauges(Vec<(String, IntGauge)>);

impl ClosedGauges {
    fn new(registry: &Registry, definition: Definition, values: &[String]) -> Self {
        let gauges = gauges(registry, definition);
        Self(values.iter().map(|value| (value.clone(), gauges.with_label_values(&[value.as_str()]))).collect())
    }

    /// Sets every one of them; those without a count to 0.
    pub fn set(&self, counts: &[(&str, u64)]) {
        for (value, gauge) in &self.0 {
            let count = counts.iter().find(|(counted, _)| counted == value).map_or(0, |(_, count)| *count);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// Gauges with one label, whose values come and go.
#[derive(Debug)]
pub(crate) struct OpenGauges(IntGaugeVec);

impl OpenGauges {
    /// Sets these, and forgets all others.
    pub fn set(&self, values: impl IntoIterator<Item = (String, i64)>) {
        self.0.reset();
        for (label, value) in values {
            self.0.with_label_values(&[label]).set(value);
        }
    }
}

/// Makes the series exist, at 0.
fn begin<'a, const LABELS: usize>(counters: &IntCounterVec, values: impl IntoIterator<Item = [&'a str; LABELS]>) {
    for values in values {
        counters.with_label_values(&values).reset();
    }
}

pub(crate) fn counter(registry: &Registry, definition: Definition) -> IntCounter {
    registered(registry, IntCounter::with_opts(definition.options()))
}

pub(crate) fn counters(registry: &Registry, definition: Definition) -> IntCounterVec {
    registered(registry, IntCounterVec::new(definition.options(), definition.labels))
}

pub(crate) fn gauge(registry: &Registry, definition: Definition) -> IntGauge {
    registered(registry, IntGauge::with_opts(definition.options()))
}

pub(crate) fn gauges(registry: &Registry, definition: Definition) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(definition.options(), definition.labels))
}

pub(crate) fn float_gauge(registry: &Registry, definition: Definition) -> Gauge {
    registered(registry, Gauge::with_opts(definition.options()))
}

pub(crate) fn float_gauges(registry: &Registry, definition: Definition) -> prometheus::GaugeVec {
    registered(registry, prometheus::GaugeVec::new(definition.options(), definition.labels))
}

pub(crate) fn histogram(registry: &Registry, definition: Definition) -> Histogram {
    registered(registry, Histogram::with_opts(definition.histogram_options()))
}

fn histograms(registry: &Registry, definition: Definition) -> HistogramVec {
    registered(registry, HistogramVec::new(definition.histogram_options(), definition.labels))
}

impl Definition {
    fn options(self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn histogram_options(self) -> HistogramOpts {
        HistogramOpts::new(self.name, self.help).buckets(self.buckets.to_vec())
    }
}

#[expect(
    clippy::expect_used,
    reason = "definitions are constants, each registered once in a registry of its own, so any test finds a wrong one"
)]
fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: prometheus::Result<C>) -> C {
    let collector = collector.expect("a definition has a valid name, valid labels and rising buckets");
    registry.register(Box::new(collector.clone())).expect("no two definitions share a name");
    collector
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use quell_domain::ShardNumber;

    use crate::events::{Event, PartitionLag, ProgressReported, ShardState, TopicLag};

    fn values() -> LabelValues {
        LabelValues {
            choices: "optout.events".to_owned(),
            links: "identity.links".to_owned(),
            acks: "suppression.acks".to_owned(),
            downstreams: vec!["ads".to_owned(), "ml".to_owned()],
            identifier_types: vec!["cookie_id".to_owned()],
        }
    }

    fn with_lag() -> Metrics {
        let metrics = Metrics::new("1.2.3", &values());
        let lag = TopicLag {
            topic: "optout.events",
            seconds: Some(1.5),
            partitions: vec![PartitionLag { partition: 0, records: Some(7) }],
        };
        ProgressReported {
            lag: vec![lag],
            shards: vec![(ShardNumber(3), ShardState::Active)],
            ..ProgressReported::default()
        }
        .emit(&metrics);
        metrics
    }

    /// Each metric in a line: name, type, labels, buckets if any; and its help in another.
    fn listing(metrics: &Metrics) -> String {
        let mut listing = String::new();
        for family in metrics.registry.gather() {
            let first = family.get_metric().first().unwrap();
            let labels: Vec<&str> = first.get_label().iter().map(|label| label.name()).collect();
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            listing += &format!("{} {kind} {{{}}}\n    {}\n", family.name(), labels.join(", "), family.help());
            if kind == "histogram" {
                let bounds = first.get_histogram().get_bucket().iter().map(|bucket| bucket.upper_bound().to_string());
                listing += &format!("    le: {}\n", bounds.collect::<Vec<_>>().join(" "));
            }
        }
        listing
    }

    #[test]
    fn every_metric_has_the_name_the_labels_and_the_buckets_of_the_contract() {
        insta::assert_snapshot!(listing(&with_lag()), @"
        quell_build_info gauge {version}
            Always 1; the labels say which build runs.
        quell_commit_failures_total counter {reason}
            Epochs that were not committed and were computed again, by reason. Fencing is a part of every hand-over.
        quell_complete_through_timestamp_seconds gauge {}
            What was in the input topics then is in the suppressions, in seconds since 1970; 0 while unknown.
        quell_consumer_lag_records gauge {partition, topic}
            Records of an owned partition that are not yet committed. Absent while unknown.
        quell_consumer_lag_seconds gauge {topic}
            Age of the oldest record of the topic that is not yet committed; 0 when there is none. Absent while unknown.
        quell_dead_letters_total counter {code}
            Records that were refused, whole or in part, and are dead letters, by the reason's code.
        quell_deferred_relaxations gauge {}
            Identifiers with a relaxation that waits: for engine.relax_after, or for a shard to catch up.
        quell_epoch_events histogram {}
            Input records per epoch, graph messages apart.
            le: 0 1 3 10 30 100 300 1000 3000 10000 30000 100000
        quell_epoch_seconds histogram {}
            From the first record of an epoch being taken to its commit.
            le: 0.002 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30
        quell_epochs_total counter {}
            Epochs that were committed.
        quell_events_total counter {outcome, topic}
            Records taken from an input topic and committed, by what became of them.
        quell_graph_messages_total counter {scope}
            Messages between identifiers: within this instance (local), or through the graph topic (remote).
        quell_hubs gauge {type}
            Identifiers of the owned shards with more neighbours than max_neighbours allows, by identifier type.
        quell_input_pauses_total counter {reason}
            Times that the inputs were paused: most shards restoring, the graph topic behind, or the memory for records full.
        quell_last_commit_timestamp_seconds gauge {}
            When an epoch was last committed, in seconds since 1970; 0 before the first.
        quell_panics_total counter {}
            Epochs that panicked and were thrown away; the record becomes a dead letter.
        quell_policy_mismatch gauge {}
            1 while another instance runs another policy: nothing relaxes until then.
        quell_policy_unreviewed_identifiers gauge {}
            Identifiers that have yet to be reviewed under a changed policy; 0 once it is taken up.
        quell_propagation_seconds histogram {action, downstream}
            From the causing record's Kafka timestamp to the suppression's commit; a relaxation waits on purpose.
            le: 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 300
        quell_rebalances_total counter {event}
            Times that the group gave this instance partitions, asked for some, or took some away without asking (lost).
        quell_registry_stalled gauge {}
            1 while records wait for a schema because the schema registry does not answer, else 0.
        quell_relaxations_total counter {cause}
            Relaxations published: a right that was opted out no longer is, by cause.
        quell_restore_records_total counter {}
            Changelog records read to restore shards and to keep warm copies.
        quell_restore_remaining_records gauge {}
            Changelog offsets still to be passed until every owned shard is restored.
        quell_restore_seconds_left gauge {}
            About how long until every owned shard is restored, by the pace so far; 0 when nothing is.
        quell_shard_state gauge {shard}
            Where a shard stands at this instance: 1 a copy is kept, 2 owned and being restored, 3 owned and active.
        quell_shards_owned gauge {}
            Shards that the group has given to this instance.
        quell_shards_restoring gauge {}
            Owned shards that are still being restored from the changelog.
        quell_store_bytes gauge {}
            Bytes on disk of all shards that are there: owned, copied, or owned once.
        quell_store_damages_total counter {}
            Times that the store was found damaged and restored from the changelog.
        quell_suppressions_total counter {downstream}
            Suppressions published, by downstream.
        quell_unacknowledged gauge {downstream}
            Identifiers of the owned shards whose last suppression the downstream has not acknowledged.
        ");
    }

    #[test]
    fn series_with_closed_labels_exist_from_the_start_at_zero() {
        let text = Metrics::new("1.2.3", &values()).text().unwrap();
        let series: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket")).collect();
        insta::assert_snapshot!(series.join("\n"), @r#"
        quell_build_info{version="1.2.3"} 1
        quell_commit_failures_total{reason="aborted"} 0
        quell_commit_failures_total{reason="ambiguous"} 0
        quell_commit_failures_total{reason="fenced"} 0
        quell_complete_through_timestamp_seconds 0
        quell_dead_letters_total{code="blocked_value"} 0
        quell_dead_letters_total{code="future"} 0
        quell_dead_letters_total{code="internal"} 0
        quell_dead_letters_total{code="invalid"} 0
        quell_dead_letters_total{code="malformed"} 0
        quell_dead_letters_total{code="unknown_downstream"} 0
        quell_dead_letters_total{code="unknown_right"} 0
        quell_dead_letters_total{code="unknown_source"} 0
        quell_dead_letters_total{code="unknown_type"} 0
        quell_dead_letters_total{code="untrusted_source"} 0
        quell_deferred_relaxations 0
        quell_epoch_events_sum 0
        quell_epoch_events_count 0
        quell_epoch_seconds_sum 0
        quell_epoch_seconds_count 0
        quell_epochs_total 0
        quell_events_total{outcome="accepted",topic="identity.links"} 0
        quell_events_total{outcome="accepted",topic="optout.events"} 0
        quell_events_total{outcome="accepted",topic="suppression.acks"} 0
        quell_events_total{outcome="partial",topic="optout.events"} 0
        quell_events_total{outcome="refused",topic="identity.links"} 0
        quell_events_total{outcome="refused",topic="optout.events"} 0
        quell_events_total{outcome="refused",topic="suppression.acks"} 0
        quell_events_total{outcome="stale",topic="suppression.acks"} 0
        quell_graph_messages_total{scope="local"} 0
        quell_graph_messages_total{scope="remote"} 0
        quell_hubs{type="cookie_id"} 0
        quell_input_pauses_total{reason="full"} 0
        quell_input_pauses_total{reason="graph_behind"} 0
        quell_input_pauses_total{reason="restoring"} 0
        quell_last_commit_timestamp_seconds 0
        quell_panics_total 0
        quell_policy_mismatch 0
        quell_policy_unreviewed_identifiers 0
        quell_propagation_seconds_sum{action="relax",downstream="ads"} 0
        quell_propagation_seconds_count{action="relax",downstream="ads"} 0
        quell_propagation_seconds_sum{action="relax",downstream="ml"} 0
        quell_propagation_seconds_count{action="relax",downstream="ml"} 0
        quell_propagation_seconds_sum{action="restrict",downstream="ads"} 0
        quell_propagation_seconds_count{action="restrict",downstream="ads"} 0
        quell_propagation_seconds_sum{action="restrict",downstream="ml"} 0
        quell_propagation_seconds_count{action="restrict",downstream="ml"} 0
        quell_rebalances_total{event="assigned"} 0
        quell_rebalances_total{event="lost"} 0
        quell_rebalances_total{event="revoked"} 0
        quell_registry_stalled 0
        quell_relaxations_total{cause="hub"} 0
        quell_relaxations_total{cause="opt_in"} 0
        quell_relaxations_total{cause="policy"} 0
        quell_relaxations_total{cause="unlink"} 0
        quell_restore_records_total 0
        quell_restore_remaining_records 0
        quell_restore_seconds_left 0
        quell_shards_owned 0
        quell_shards_restoring 0
        quell_store_bytes 0
        quell_store_damages_total 0
        quell_suppressions_total{downstream="ads"} 0
        quell_suppressions_total{downstream="ml"} 0
        quell_unacknowledged{downstream="ads"} 0
        quell_unacknowledged{downstream="ml"} 0
        "#);
    }
}
