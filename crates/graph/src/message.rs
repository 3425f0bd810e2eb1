//! What is addressed to a node: operations from events, and messages from neighbours.

use std::sync::Arc;

use quell_domain::{Acknowledgement, Choice, Identifier, Millis, RightSet};

use crate::claim::Contribution;
use crate::edge::LinkRegister;
use crate::generation::Generation;
use crate::wave::Wave;

/// The input record that set something off. Carried along, so that a suppression can say how long it took and in which
/// trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The record's Kafka timestamp.
    pub timestamp: Millis,
    /// Its `traceparent` header (W3C Trace Context), if it had one.
    pub traceparent: Option<Box<str>>,
    /// The first wave that waits for it.
    pub wave: Wave,
}

/// Something for one node to do.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A choice names this identifier.
    Choose {
        /// The choice.
        choice: Arc<Choice>,
        /// The rights that it names.
        rights: RightSet,
    },
    /// A link between this identifier and another was seen, or withdrawn. Addressed to the edge's authority, which
    /// forwards it ([`authority`]).
    Link {
        /// The other end.
        other: Identifier,
        /// What was seen.
        register: LinkRegister,
    },
    /// A neighbour, or who wants to be one, says something.
    Hear(Message),
    /// A downstream acknowledges this identifier's suppression.
    Acknowledge(Acknowledgement),
}

/// An operation, the node that it is for, and what set it off.
#[derive(Clone, Debug)]
pub struct Addressed {
    /// The node.
    pub to: Identifier,
    /// What it is to do.
    pub operation: Operation,
    /// What set it off.
    pub origin: Arc<Origin>,
}

/// What one node says to another. It stands alone: it carries the edge that it goes over, so no order between messages
/// is needed (M1 of `docs/invariants.md`).
#[derive(Clone, Debug)]
pub struct Message {
    /// Who says it.
    pub from: Identifier,
    /// The edge, as the sender knows it.
    pub register: LinkRegister,
    /// How many statements the sender has made.
    pub counter: u64,
    /// The sender's generation.
    pub generation: Generation,
    /// What it says.
    pub said: Contribution,
    /// Whether it is a hub.
    pub from_hub: bool,
    /// Whether it wants an answer.
    pub asks: bool,
}

/// Of a link's two ends, the one where its events meet first, and the other. It decides which event holds, so the other
/// end need not know of events that change nothing.
#[must_use]
pub fn authority(a: Identifier, b: Identifier) -> (Identifier, Identifier) {
    if (a.hash64(), &a) <= (b.hash64(), &b) { (a, b) } else { (b, a) }
}
