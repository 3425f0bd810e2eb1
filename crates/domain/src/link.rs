//! Links between identifiers.

use crate::identifier::Identifier;
use crate::time::Millis;

/// An accepted link event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEvent {
    /// One end.
    pub a: Identifier,
    /// The other; not the same.
    pub b: Identifier,
    /// Whether they are linked, or no longer.
    pub holds: bool,
    /// When that was seen.
    pub observed_at: Millis,
}
