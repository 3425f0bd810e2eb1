//! The policy: taken up where it was changed, and compared with the other instances'.

use super::Event;
use crate::metrics::Metrics;

/// Another instance runs another policy; or no longer does.
#[derive(Clone, Debug)]
pub struct PoliciesCompared {
    /// Whether they differ.
    pub differ: bool,
}

impl Event for PoliciesCompared {
    fn emit(&self, metrics: &Metrics) {
        metrics.series.policy_mismatch.set(i64::from(self.differ));
        if self.differ {
            tracing::warn!(
                target: "quell::policy",
                "another instance runs another policy; nothing relaxes until all run the same"
            );
        } else {
            tracing::info!(target: "quell::policy", "all instances run the same policy again");
        }
    }
}

/// How far a changed policy has been taken up. Said from time to time, and when it is.
#[derive(Clone, Debug)]
pub struct RevisionProgressed {
    /// Identifiers that have yet to be reviewed.
    pub to_be_reviewed: u64,
}

impl Event for RevisionProgressed {
    fn emit(&self, _: &Metrics) {
        if self.to_be_reviewed == 0 {
            tracing::info!(target: "quell::policy", "the changed policy is taken up");
        } else {
            let to_be_reviewed = self.to_be_reviewed;
            tracing::info!(target: "quell::policy", to_be_reviewed, "taking up the changed policy");
        }
    }
}

/// A partition of the graph topic waits until this instance knows what another one wrote there.
#[derive(Clone, Debug)]
pub struct PartitionAhead<'a> {
    /// The partition of `topics.graph`.
    pub partition: u32,
    /// What it does not know.
    pub reason: &'a str,
}

impl Event for PartitionAhead<'_> {
    fn emit(&self, _: &Metrics) {
        tracing::error!(
            target: "quell::policy",
            partition = self.partition,
            reason = self.reason,
            "a partition of the graph topic waits; run the same policy and version everywhere"
        );
    }
}

/// An epoch panicked, and was thrown away.
#[derive(Clone, Debug)]
pub struct EpochPanicked {
    /// How many records it had taken.
    pub records: usize,
}

impl Event for EpochPanicked {
    fn emit(&self, metrics: &Metrics) {
        tracing::error!(
            target: "quell::epoch",
            records = self.records,
            "an epoch panicked; its records are read again, one by one"
        );
        metrics.series.panics.inc();
    }
}
