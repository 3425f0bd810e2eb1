//! What labels may say: closed sets, so that no record can make a new series.

use quell_domain::Policy;

/// What became of a record: `quell_events_total{outcome}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All of it takes effect.
    Accepted,
    /// A choice of which some parts were refused.
    Partial,
    /// None of it takes effect.
    Refused,
    /// An acknowledgement of a version that was never published.
    Stale,
}

impl Outcome {
    /// What may become of a choice.
    pub const OF_CHOICES: [Self; 3] = [Self::Accepted, Self::Partial, Self::Refused];
    /// What may become of a link.
    pub const OF_LINKS: [Self; 2] = [Self::Accepted, Self::Refused];
    /// What may become of an acknowledgement.
    pub const OF_ACKS: [Self; 3] = [Self::Accepted, Self::Refused, Self::Stale];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Stale => "stale",
        }
    }
}

/// What a suppression does to the consumer's protection: `quell_propagation_seconds{action}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It only adds to it, or names another choice.
    Restrict,
    /// A right that was opted out no longer is; it waits on purpose.
    Relax,
}

impl Direction {
    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Relax => "relax",
        }
    }
}

/// Why a relaxation was published: `quell_relaxations_total{cause}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelaxationCause {
    /// A consumer opted in, or a choice was superseded.
    OptIn,
    /// A link was withdrawn.
    Unlink,
    /// An identifier became a hub, or ceased to be one.
    Hub,
    /// The policy changed.
    Policy,
}

impl RelaxationCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OptIn, Self::Unlink, Self::Hub, Self::Policy];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptIn => "opt_in",
            Self::Unlink => "unlink",
            Self::Hub => "hub",
            Self::Policy => "policy",
        }
    }
}

/// Why an epoch was not committed: `quell_commit_failures_total{reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitFailure {
    /// A newer owner of the shards, or a newer producer of the same name, has taken over.
    Fenced,
    /// The transaction was aborted for a passing reason.
    Aborted,
    /// Nobody knew whether it committed.
    Ambiguous,
}

impl CommitFailure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fenced, Self::Aborted, Self::Ambiguous];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::Aborted => "aborted",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// Why the inputs were paused: `quell_input_pauses_total{reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputPause {
    /// Most of the owned shards were being restored.
    Restoring,
    /// The graph topic was behind.
    GraphBehind,
    /// As much as may wait in memory did.
    Full,
}

impl InputPause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Restoring, Self::GraphBehind, Self::Full];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::GraphBehind => "graph_behind",
            Self::Full => "full",
        }
    }
}

/// What the group did: `quell_rebalances_total{event}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rebalance {
    /// It gave partitions.
    Assigned,
    /// It asked for partitions, and got them.
    Revoked,
    /// It took partitions away from an instance that had been silent for too long.
    Lost,
}

impl Rebalance {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Assigned, Self::Revoked, Self::Lost];

    /// The label's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// A message that stayed within the instance.
pub(crate) const LOCAL: &str = "local";
/// A message that went through the graph topic.
pub(crate) const REMOTE: &str = "remote";

/// The label values that configuration and policy decide; every series of theirs exists from the start, at 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelValues {
    /// The name of the choices' topic.
    pub choices: String,
    /// The name of the links' topic.
    pub links: String,
    /// The name of the acknowledgements' topic.
    pub acks: String,
    /// The downstreams, in the order of their numbers.
    pub downstreams: Vec<String>,
    /// The identifier types.
    pub identifier_types: Vec<String>,
}

impl LabelValues {
    /// The values for a policy and the names of the input topics.
    #[must_use]
    pub fn new(policy: &Policy, choices: &str, links: &str, acks: &str) -> Self {
        Self {
            choices: choices.to_owned(),
            links: links.to_owned(),
            acks: acks.to_owned(),
            downstreams: policy.downstreams().iter().map(|known| known.name.clone()).collect(),
            identifier_types: policy.identifier_types().iter().map(|known| known.name.clone()).collect(),
        }
    }
}
