//! Choices: opt-outs and opt-ins.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3;

use crate::identifier::Identifier;
use crate::right::RightSet;
use crate::time::Millis;

/// What the consumer chose. An opt-out is the greater: at the same time it wins (contract, point 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Back in.
    OptIn,
    /// Out.
    OptOut,
}

/// What orders the choices of one identifier and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChoiceOrder {
    /// When the choice was made.
    pub effective_at: Millis,
    /// Of two at the same time, an opt-out wins.
    pub action: Action,
}

/// An event's id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Box<str>);

/// An event id that is empty or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event_id is empty or longer than 64 bytes")]
pub struct EventIdError;

impl EventId {
    /// The longest id.
    pub const BYTES_MAX: usize = 64;

    /// An id.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(id: &str) -> Result<Self, EventIdError> {
        if id.is_empty() || id.len() > Self::BYTES_MAX { Err(EventIdError) } else { Ok(Self(id.into())) }
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whom a choice names, by [`Identifier::hash64`]: so that whoever hears of it can tell whether it is their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Names {
    /// All of them, in order.
    Listed(SmallVec<[u64; 2]>),
    /// Too many to carry along: a fingerprint of whom it names, which each of them remembers. A choice that is made anew
    /// by the same has the same.
    Many(u64),
}

impl Names {
    /// How many are listed at most.
    pub const LISTED_MAX: usize = 16;
}

/// One choice, as it is told from node to node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    /// The event's id.
    pub event_id: EventId,
    /// What was chosen.
    pub action: Action,
    /// When it was made.
    pub effective_at: Millis,
    /// When the business received it: the legal clock starts here.
    pub received_at: Millis,
    /// Whom it names.
    pub names: Names,
}

impl Choice {
    /// A choice that names these identifiers.
    #[must_use]
    pub fn new(
        event_id: EventId,
        action: Action,
        effective_at: Millis,
        received_at: Millis,
        identifiers: &[Identifier],
    ) -> Self {
        let mut hashes: SmallVec<[u64; 2]> = identifiers.iter().map(Identifier::hash64).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let names = if hashes.len() <= Names::LISTED_MAX {
            Names::Listed(hashes)
        } else {
            let mut hasher = Xxh3::new();
            hashes.iter().for_each(|hash| hasher.update(&hash.to_be_bytes()));
            Names::Many(hasher.digest())
        };
        Self { event_id, action, effective_at, received_at, names }
    }

    /// What orders it among others.
    #[must_use]
    pub fn order(&self) -> ChoiceOrder {
        ChoiceOrder { effective_at: self.effective_at, action: self.action }
    }
}

/// An accepted choice event: its good parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceEvent {
    /// The choice.
    pub choice: Arc<Choice>,
    /// The rights that it names; `admt` names each of its systems as well.
    pub rights: RightSet,
    /// Where it was made; each once.
    pub identifiers: Vec<Identifier>,
}
