//! What a resolution must be.

use std::fmt;

use quell_wire::{ResolutionMessage, ReviewMessage};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Resolving;

/// The longest name of who resolves.
const BY_BYTES_MAX: usize = 128;

/// The longest note.
const NOTE_BYTES_MAX: usize = 4 << 10;

/// How a human may decide. Closed: it is a label of metrics, and callers match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The consumer gets what they are after.
    Granted,
    /// They do not.
    Refused,
    /// There was nothing to decide: withdrawn, a duplicate, a trial.
    Dismissed,
}

/// A resolution that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolutionError {
    /// Nobody, or what cannot be a name.
    #[error("by: say who resolves it, in at most 128 bytes without control characters")]
    By,
    /// No outcome.
    #[error("outcome: is none of granted, refused, dismissed")]
    Outcome,
    /// It has to be said.
    #[error("changed_proposal: the machine has proposed something; say whether you decide otherwise, true or false")]
    ProposalUnanswered,
    /// There is nothing to change.
    #[error("changed_proposal: the machine has proposed nothing; leave it out")]
    NoProposal,
    /// Too long.
    #[error("note: has at most 4096 bytes")]
    Note,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Granted, Self::Refused, Self::Dismissed];

    /// As it stands in records, answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Dismissed => "dismissed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The resolution of a review that somebody asks for, at a time.
///
/// # Errors
/// When it is none for this review.
pub(crate) fn asked_resolution(
    review: &ReviewMessage,
    asked: &Resolving,
    at: i64,
) -> Result<(ResolutionMessage, Outcome), ResolutionError> {
    let by = asked.by.trim();
    if by.is_empty() || by.len() > BY_BYTES_MAX || by.chars().any(char::is_control) {
        return Err(ResolutionError::By);
    }
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == asked.outcome);
    let outcome = outcome.ok_or(ResolutionError::Outcome)?;
    // What is dismissed is not decided, neither as proposed nor otherwise.
    let has_proposal = has_proposal(review);
    match asked.changed_proposal {
        None if has_proposal && outcome != Outcome::Dismissed => return Err(ResolutionError::ProposalUnanswered),
        Some(_) if !has_proposal => return Err(ResolutionError::NoProposal),
        _ => {}
    }
    if asked.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        return Err(ResolutionError::Note);
    }
    let resolution = ResolutionMessage {
        at,
        by: by.to_owned(),
        outcome: outcome.as_str().to_owned(),
        changed_proposal: asked.changed_proposal,
        note: asked.note.clone(),
    };
    Ok((resolution, outcome))
}

/// Whether the caller said what the machine would decide.
fn has_proposal(review: &ReviewMessage) -> bool {
    #[derive(Deserialize)]
    struct Material {
        proposal: Option<IgnoredAny>,
    }
    let material = review.material.as_deref().and_then(|material| serde_json::from_str::<Material>(material).ok());
    material.is_some_and(|material| material.proposal.is_some())
}
