//! Epochs: committed, or thrown away and computed again.

use std::time::Duration;

use quell_domain::{DownstreamNumber, Millis, RefusalCode};

use super::Event;
use crate::labels::{CommitFailure, Direction, Outcome, RelaxationCause};
use crate::metrics::Metrics;

const NOT_COMMITTED: &str = "epoch not committed; computing it again";

/// A suppression that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagated {
    /// For whom.
    pub downstream: DownstreamNumber,
    /// Which way.
    pub direction: Direction,
    /// The Kafka timestamp of the record that caused it. 0 or less: it had none, or no record caused it (a change of the
    /// policy); it is then counted and not timed.
    pub caused_at: Millis,
}

/// An epoch is in the log and in the store. What it did counts from here on, and not before: a record that is read
/// again after a crash is not counted twice.
#[derive(Clone, Debug)]
pub struct EpochCommitted<'a> {
    /// Its number.
    pub epoch: u64,
    /// When it was committed.
    pub committed_at: Millis,
    /// From its first record to its commit.
    pub took: Duration,
    /// Input records that it took, graph messages apart.
    pub events: u64,
    /// What became of them: by the topic's name and the outcome, how many.
    pub outcomes: &'a [(&'a str, Outcome, u64)],
    /// Its dead letters, by code.
    pub dead_letters: &'a [(RefusalCode, u64)],
    /// Its suppressions.
    pub suppressions: &'a [Propagated],
    /// Its relaxations, by cause.
    pub relaxations: &'a [(RelaxationCause, u64)],
    /// Messages between identifiers of this instance.
    pub local_messages: u64,
    /// Messages to identifiers of other instances.
    pub remote_messages: u64,
}

impl Event for EpochCommitted<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::debug!(
            target: "quell::epoch",
            epoch = self.epoch,
            events = self.events,
            suppressions = self.suppressions.len(),
            took_seconds = self.took.as_secs_f64(),
            "epoch committed"
        );
        let series = &metrics.series;
        series.epochs.inc();
        series.epoch_seconds.observe(self.took.as_secs_f64());
        series.epoch_events.observe(in_float(self.events));
        series.last_commit.set(seconds(self.committed_at.0));
        series.local_messages.inc_by(self.local_messages);
        series.remote_messages.inc_by(self.remote_messages);
        for (topic, outcome, count) in self.outcomes {
            series.events.with_label_values(&[topic, outcome.as_str()]).inc_by(*count);
        }
        for (code, count) in self.dead_letters {
            series.dead_letters.with_label_values(&[code.as_str()]).inc_by(*count);
        }
        for (cause, count) in self.relaxations {
            series.relaxations.with_label_values(&[cause.as_str()]).inc_by(*count);
        }
        for published in self.suppressions {
            published.count(metrics, self.committed_at);
        }
    }
}

impl Propagated {
    fn count(&self, metrics: &Metrics, committed_at: Millis) {
        let Some(downstream) = metrics.series.downstream(self.downstream) else { return };
        downstream.suppressions.inc();
        if self.caused_at.0 > 0 {
            // A producer whose clock is ahead must not be counted as a suppression before its cause.
            let took = seconds(committed_at.0.saturating_sub(self.caused_at.0)).max(0.0);
            match self.direction {
                Direction::Restrict => downstream.restrict_seconds.observe(took),
                Direction::Relax => downstream.relax_seconds.observe(took),
            }
        }
    }
}

/// An epoch was thrown away; the instance goes back to the committed offsets and computes it again.
#[derive(Clone, Debug)]
pub struct EpochFailed<'a> {
    /// Its number.
    pub epoch: u64,
    /// Why, as it is counted.
    pub failure: CommitFailure,
    /// Why, as the log says it.
    pub reason: &'a str,
}

impl Event for EpochFailed<'_> {
    fn emit(&self, metrics: &Metrics) {
        let (epoch, failure, reason) = (self.epoch, self.failure.as_str(), self.reason);
        match self.failure {
            // A part of every hand-over.
            CommitFailure::Fenced => tracing::info!(target: "quell::epoch", epoch, failure, reason, "{NOT_COMMITTED}"),
            CommitFailure::Aborted | CommitFailure::Ambiguous => {
                tracing::warn!(target: "quell::epoch", epoch, failure, reason, "{NOT_COMMITTED}");
            }
        }
        metrics.series.commit_failures.with_label_values(&[failure]).inc();
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for the next 285,000 years")]
pub(super) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "an epoch has fewer than 2^53 events")]
fn in_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::labels::LabelValues;

    fn committed<'a>() -> EpochCommitted<'a> {
        EpochCommitted {
            epoch: 7,
            committed_at: Millis(10_000),
            took: Duration::from_millis(20),
            events: 0,
            outcomes: &[],
            dead_letters: &[],
            suppressions: &[],
            relaxations: &[],
            local_messages: 0,
            remote_messages: 0,
        }
    }

    fn metrics() -> Metrics {
        let values = LabelValues {
            choices: "choices".to_owned(),
            links: "links".to_owned(),
            acks: "acks".to_owned(),
            downstreams: vec!["ads".to_owned()],
            identifier_types: Vec::new(),
        };
        Metrics::new("1.2.3", &values)
    }

    /// The lines of `/metrics` that are not 0.
    fn moved(metrics: &Metrics) -> String {
        let text = metrics.text().unwrap();
        let moved =
            text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0") && !line.contains("_bucket"));
        moved.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_committed_epoch_moves_what_it_did() {
        let metrics = metrics();
        let propagated = |direction, caused_at| Propagated {
            downstream: DownstreamNumber(0),
            direction,
            caused_at: Millis(caused_at),
        };
        let event = EpochCommitted {
            events: 4,
            outcomes: &[("choices", Outcome::Accepted, 3), ("links", Outcome::Refused, 1)],
            dead_letters: &[(RefusalCode::Malformed, 1)],
            suppressions: &[propagated(Direction::Restrict, 9_900), propagated(Direction::Relax, 0)],
            relaxations: &[(RelaxationCause::Unlink, 1)],
            local_messages: 5,
            remote_messages: 6,
            ..committed()
        };
        event.emit(&metrics);
        insta::assert_snapshot!(moved(&metrics), @r#"
        quell_build_info{version="1.2.3"} 1
        quell_dead_letters_total{code="malformed"} 1
        quell_epoch_events_sum 4
        quell_epoch_events_count 1
        quell_epoch_seconds_sum 0.02
        quell_epoch_seconds_count 1
        quell_epochs_total 1
        quell_events_total{outcome="accepted",topic="choices"} 3
        quell_events_total{outcome="refused",topic="links"} 1
        quell_graph_messages_total{scope="local"} 5
        quell_graph_messages_total{scope="remote"} 6
        quell_last_commit_timestamp_seconds 10
        quell_propagation_seconds_sum{action="restrict",downstream="ads"} 0.1
        quell_propagation_seconds_count{action="restrict",downstream="ads"} 1
        quell_relaxations_total{cause="unlink"} 1
        quell_suppressions_total{downstream="ads"} 2
        "#);
    }

    #[test]
    fn a_cause_that_is_ahead_of_the_clock_took_no_time() {
        let metrics = metrics();
        let (downstream, direction) = (DownstreamNumber(0), Direction::Restrict);
        let ahead = Propagated { downstream, direction, caused_at: Millis(99_000) };
        EpochCommitted { suppressions: &[ahead], ..committed() }.emit(&metrics);
        let text = metrics.text().unwrap();
        assert!(text.contains("quell_propagation_seconds_sum{action=\"restrict\",downstream=\"ads\"} 0\n"), "{text}");
    }

    #[test]
    fn an_epoch_that_failed_is_counted_by_its_reason() {
        let metrics = metrics();
        EpochFailed { epoch: 7, failure: CommitFailure::Fenced, reason: "a newer owner" }.emit(&metrics);
        insta::assert_snapshot!(moved(&metrics), @r#"
        quell_build_info{version="1.2.3"} 1
        quell_commit_failures_total{reason="fenced"} 1
        "#);
    }
}
