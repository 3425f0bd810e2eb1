//! Reasons: why the gate answers what it answers.

use std::fmt;

/// Why. Closed: it is a label of metrics, and callers match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing is opted out that the action needs, and what is known is fresh: a permit.
    Clear,
    /// The consumer is opted out of a system whose business relies on the exception for human appeals: a permit, with
    /// the obligation to let them appeal.
    Appeal,
    /// The consumer is opted out of a right that the action needs.
    Suppressed,
    /// What is known is older than the system's `max_staleness`, or nobody says how old it is.
    Stale,
    /// The policy declares no such system.
    UnknownSystem,
    /// The resource is no system at all.
    UnknownResourceType,
    /// The policy declares no such action.
    UnknownAction,
    /// The policy declares no such identifier type, or the gate is not told of identifiers of it.
    UnknownIdentifierType,
    /// The identifier can be nobody's: empty, too long, no hash, or on the block list.
    InvalidIdentifier,
    /// Nothing is known of the identifier, and the system's `unknown_subject` is `deny`.
    UnknownSubject,
    /// A human has to look: the policy says so, or who asked.
    NeedsReview,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Clear,
        Self::Appeal,
        Self::Suppressed,
        Self::Stale,
        Self::UnknownSystem,
        Self::UnknownResourceType,
        Self::UnknownAction,
        Self::UnknownIdentifierType,
        Self::InvalidIdentifier,
        Self::UnknownSubject,
        Self::NeedsReview,
    ];

    /// Whether it is a permit.
    #[must_use]
    pub fn permits(self) -> bool {
        matches!(self, Self::Clear | Self::Appeal)
    }

    /// As it stands in answers, records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Appeal => "appeal",
            Self::Suppressed => "suppressed",
            Self::Stale => "stale",
            Self::UnknownSystem => "unknown_system",
            Self::UnknownResourceType => "unknown_resource_type",
            Self::UnknownAction => "unknown_action",
            Self::UnknownIdentifierType => "unknown_identifier_type",
            Self::InvalidIdentifier => "invalid_identifier",
            Self::UnknownSubject => "unknown_subject",
            Self::NeedsReview => "needs_review",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
