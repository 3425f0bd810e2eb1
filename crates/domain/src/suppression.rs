//! Suppressions: what a downstream is told.

use crate::choice::EventId;
use crate::identifier::Identifier;
use crate::policy::DownstreamNumber;
use crate::right::Right;
use crate::time::Millis;

/// What holds for one right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightState {
    /// Whether it is opted out.
    pub opted_out: bool,
    /// A choice that brought this about.
    pub choice_id: EventId,
    /// When that choice was made.
    pub since: Millis,
    /// Whether it was made at other identifiers only.
    pub inherited: bool,
    /// By when the downstream must have applied it.
    pub due_at: Millis,
}

/// The whole current state of one identifier for one downstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Whose state it is.
    pub identifier: Identifier,
    /// Who is told.
    pub downstream: DownstreamNumber,
    /// Grows with every message for this identifier.
    pub version: u64,
    /// By right; one on which nobody has chosen is absent.
    pub rights: Vec<(Right, RightState)>,
    /// When the engine decided it.
    pub published_at: Millis,
}

impl Suppression {
    /// Whether any right is opted out.
    #[must_use]
    pub fn suppressed(&self) -> bool {
        self.rights.iter().any(|(_, state)| state.opted_out)
    }
}
