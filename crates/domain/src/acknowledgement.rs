//! Acknowledgements by downstreams.

use crate::identifier::Identifier;
use crate::policy::DownstreamNumber;
use crate::time::Millis;

/// What became of a suppression at a downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckOutcome {
    /// It was applied.
    Applied,
    /// The downstream gave up.
    Failed,
}

/// An accepted acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who says it.
    pub downstream: DownstreamNumber,
    /// Of whom.
    pub identifier: Identifier,
    /// The highest version that was applied; it covers every lower one.
    pub version: u64,
    /// Whether it was.
    pub outcome: AckOutcome,
    /// When.
    pub applied_at: Millis,
}
