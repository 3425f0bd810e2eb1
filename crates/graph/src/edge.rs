//! Edges: what one end knows of a link, and of who is at the other.

use quell_domain::{Identifier, Millis};

use crate::claim::{Contribution, silence};

/// When a link was seen or withdrawn: the last one holds, and of two at the same time the one that links (contract,
/// point 1). Which event it was makes no difference: at the same time and with the same action they say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkRegister {
    /// When it was observed.
    pub observed_at: Millis,
    /// Whether there is an edge.
    pub holds: bool,
}

/// What one end knows of an edge. One that no longer holds is kept, for the sake of its register.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The last that was seen of it.
    pub register: LinkRegister,
    /// Whether the other end has said that it is a hub.
    pub other_is_hub: bool,
    /// The counter of the last statement heard over it; kept only where an end is, or was, a hub.
    pub heard: Option<u64>,
    /// What the other end last said; kept only where an end is a hub, for generations do not cross a hub.
    pub remembered: Contribution,
}

impl Edge {
    /// An edge of which nothing but the register is known.
    #[must_use]
    pub fn new(register: LinkRegister) -> Self {
        Self { register, other_is_hub: false, heard: None, remembered: silence() }
    }

    /// Whether there is an edge.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.register.holds
    }
}

/// How many neighbours of one type a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourCount {
    /// The type's name.
    pub identifier_type: String,
    /// How many edges to such neighbours hold.
    pub count: u32,
}

/// Where a node's edges are.
#[derive(Clone, Debug)]
pub enum Edges {
    /// Inside the node's own row, in the order of the neighbours: nearly every node.
    Inline(Vec<(Identifier, Edge)>),
    /// In rows of their own, so that the row of a node with many does not grow without bound. Only the number of the
    /// neighbours stays with the node.
    Rows(Vec<NeighbourCount>),
}

impl Edges {
    /// A node with more edges than this keeps them in rows of their own. At some 25 bytes an edge, its own row would
    /// otherwise be rewritten with more than two kilobytes for every message.
    pub const INLINE_MAX: usize = 64;
}

impl Default for Edges {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}
