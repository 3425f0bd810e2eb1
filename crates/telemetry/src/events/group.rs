//! What the consumer group gives and takes.

use std::collections::BTreeMap;
use std::fmt;

use super::Event;
use crate::labels::{InputPause, Rebalance};
use crate::metrics::Metrics;

/// The group gave partitions; their shards are restored next.
#[derive(Clone, Debug)]
pub struct PartitionsAssigned<'a> {
    /// Topic and number of each.
    pub partitions: &'a [(&'a str, u32)],
}

impl Event for PartitionsAssigned<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::info!(target: "quell::group", partitions = %Partitions(self.partitions), "partitions assigned");
        metrics.series.rebalances.with_label_values(&[Rebalance::Assigned.as_str()]).inc();
    }
}

/// The group takes partitions away, and waits until they are let go.
#[derive(Clone, Debug)]
pub struct PartitionsRevoked<'a> {
    /// Topic and number of each.
    pub partitions: &'a [(&'a str, u32)],
}

impl Event for PartitionsRevoked<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::info!(target: "quell::group", partitions = %Partitions(self.partitions), "partitions revoked");
        metrics.series.rebalances.with_label_values(&[Rebalance::Revoked.as_str()]).inc();
    }
}

/// The group has taken partitions away without waiting: this instance was silent for too long.
#[derive(Clone, Debug)]
pub struct PartitionsLost<'a> {
    /// Topic and number of each.
    pub partitions: &'a [(&'a str, u32)],
}

impl Event for PartitionsLost<'_> {
    fn emit(&self, metrics: &Metrics) {
        tracing::warn!(
            target: "quell::group",
            partitions = %Partitions(self.partitions),
            "partitions lost: others may own them already"
        );
        metrics.series.rebalances.with_label_values(&[Rebalance::Lost.as_str()]).inc();
    }
}

/// The inputs are not read for now: a part of every overload and of every restore.
#[derive(Clone, Copy, Debug)]
pub struct InputsPaused {
    /// Why.
    pub reason: InputPause,
}

impl Event for InputsPaused {
    fn emit(&self, metrics: &Metrics) {
        tracing::debug!(target: "quell::group", reason = self.reason.as_str(), "inputs paused");
        metrics.series.input_pauses.with_label_values(&[self.reason.as_str()]).inc();
    }
}

/// `identity.links[0,1] optout.events[0,1,2]`
struct Partitions<'a>(&'a [(&'a str, u32)]);

impl fmt::Display for Partitions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_topic: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (topic, partition) in self.0 {
            by_topic.entry(topic).or_default().push(*partition);
        }
        for (at, (topic, mut partitions)) in by_topic.into_iter().enumerate() {
            partitions.sort_unstable();
            let numbers: Vec<String> = partitions.iter().map(u32::to_string).collect();
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{topic}[{}]", numbers.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_listed_by_topic() {
        let partitions = [("optout.events", 2), ("identity.links", 0), ("optout.events", 0)];
        assert_eq!(Partitions(&partitions).to_string(), "identity.links[0] optout.events[0,2]");
    }
}
