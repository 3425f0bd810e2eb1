//! Generations: how a component forgets.

/// Why something was taken away. The label of `quell_relaxations_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetractionCause {
    /// A consumer opted in, or a choice was superseded.
    #[default]
    OptIn,
    /// A link was withdrawn.
    Unlink,
    /// An identifier became a hub, or ceased to be one.
    Hub,
    /// The policy changed.
    Policy,
}

impl RetractionCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OptIn, Self::Unlink, Self::Hub, Self::Policy];

    /// The label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptIn => "opt_in",
            Self::Unlink => "unlink",
            Self::Hub => "hub",
            Self::Policy => "policy",
        }
    }

    /// Its code in stored bytes; for ever.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::OptIn => 0,
            Self::Unlink => 1,
            Self::Hub => 2,
            Self::Policy => 3,
        }
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }
}

/// The generation in which a node computes. A retraction makes a larger one, and whoever hears of a larger one starts
/// again from what it knows by itself; so no echo of what was taken away survives (G3 of `docs/invariants.md`).
///
/// Ordered by `(counter, tie)`; the cause only tells why.
#[derive(Clone, Copy, Debug, Default)]
pub struct Generation {
    /// One more than the largest that the retracting node knew.
    pub counter: u64,
    /// The retracting node's hash, so that two retractions at once do not make the same generation.
    pub tie: u64,
    /// Why there was a retraction.
    pub cause: RetractionCause,
}

impl Generation {
    /// The generation of a retraction at the node whose hash is `tie`.
    #[must_use]
    pub fn after(self, tie: u64, cause: RetractionCause) -> Self {
        Self { counter: self.counter.saturating_add(1), tie, cause }
    }
}

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        (self.counter, self.tie) == (other.counter, other.tie)
    }
}

impl Eq for Generation {}

impl PartialOrd for Generation {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Generation {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.counter, self.tie).cmp(&(other.counter, other.tie))
    }
}
