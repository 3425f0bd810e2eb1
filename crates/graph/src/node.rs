//! Nodes: all that is known of one identifier.

use std::sync::Arc;

use quell_domain::{Calendar, Choice, DownstreamNumber, Identifier, Millis, Names, Policy, Right};

use crate::claim::{Claim, Contribution};
use crate::edge::Edges;
use crate::generation::{Generation, RetractionCause};
use crate::message::Origin;
use crate::own::OwnChoice;

/// What holds at a node for one right, and where it came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What holds.
    pub claim: Claim,
    /// The neighbour through which the named choice came; none if it was made here. The steps of a cause chain.
    pub via: Option<Identifier>,
}

/// What was last published of one right.
#[derive(Clone, Debug)]
pub struct Published {
    /// The right.
    pub right: Right,
    /// The choice that was named; its action is what was said.
    pub choice: Arc<Choice>,
    /// Whether it was said to be somebody else's.
    pub inherited: bool,
}

impl Published {
    /// Whether a downstream could not tell the two apart. Not whether the choices are the same: event ids need not be
    /// unique, and whom else a choice names is not said.
    pub(crate) fn reads_like(&self, other: &Self, calendar: &Calendar) -> bool {
        let said = |choice: &Choice| (choice.action, choice.effective_at);
        let due_at = |choice: &Choice| calendar.due_at(choice.received_at);
        let (ours, theirs) = (&self.choice, &other.choice);
        self.inherited == other.inherited
            && said(ours) == said(theirs)
            && ours.event_id == theirs.event_id
            && (ours.received_at == theirs.received_at || due_at(ours) == due_at(theirs))
    }
}

/// A relaxation that waits: the right is no longer opted out, and what is published still says that it is.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The right.
    pub right: Right,
    /// When it may be published, if it holds until then.
    pub until: Millis,
    /// Why there is one.
    pub cause: RetractionCause,
    /// The input record that brought it about.
    pub origin: Arc<Origin>,
}

/// What became of a node's suppressions at one downstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The downstream.
    pub downstream: DownstreamNumber,
    /// The version of the last suppression for it.
    pub published_version: u64,
    /// When that was decided.
    pub published_at: Millis,
    /// The highest version that it said to have applied; 0 if none.
    pub acknowledged_version: u64,
}

/// All that is known of one identifier.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its own choices, in the order of the rights.
    pub own: Vec<OwnChoice>,
    /// What holds for it, in the order of the rights.
    pub effective: Vec<Effective>,
    /// What was last published of it, in the order of the rights.
    pub published: Vec<Published>,
    /// Relaxations that wait, in the order of the rights.
    pub holds: Vec<Hold>,
    /// The version of its last suppression, of whatever downstream; 0 if there was none.
    pub version: u64,
    /// By downstream, what it was sent. In the order of the downstreams.
    pub deliveries: Vec<Delivery>,
    /// The number of the basis under which downstreams were last told of it; see `basis.rs`. 0: nobody was.
    pub told_under: u32,
    /// The generation in which `effective` was computed.
    pub generation: Generation,
    /// How many statements it has made to its neighbours.
    pub counter: u64,
    /// Whether it has more neighbours of some type than the policy allows.
    pub is_hub: bool,
    /// Fingerprints of the crowds (see [`Names::Many`]) that it was named with; the last [`Node::CROWDED_CHOICES_MAX`].
    pub crowded_choices: Vec<u64>,
    /// Its edges.
    pub edges: Edges,
}

impl Node {
    /// How many different crowds a node remembers. They are rare; it is a bound, not a limit that is met.
    pub const CROWDED_CHOICES_MAX: usize = 1_024;

    /// What this node says to its neighbours: a hub only what was chosen at it (nothing passes *through* a hub), any
    /// other all that holds.
    #[must_use]
    pub fn contribution(&self, policy: &Policy) -> Contribution {
        if self.is_hub {
            self.own.iter().map(|own| own.claim(policy.join(own.right))).collect()
        } else {
            self.effective.iter().map(|effective| effective.claim.clone()).collect()
        }
    }

    /// What was chosen at this node itself for a right.
    #[must_use]
    pub fn own(&self, right: Right) -> Option<&OwnChoice> {
        self.own.iter().find(|own| own.right == right)
    }

    /// What holds for a right.
    #[must_use]
    pub fn effective(&self, right: Right) -> Option<&Effective> {
        self.effective.iter().find(|effective| effective.claim.right == right)
    }

    /// When the first of the relaxations that wait may be published.
    #[must_use]
    pub fn first_hold(&self) -> Option<Millis> {
        self.holds.iter().map(|hold| hold.until).min()
    }

    /// Sets what holds for a right.
    pub fn set_effective(&mut self, effective: Effective) {
        match self.effective.binary_search_by_key(&effective.claim.right, |known| known.claim.right) {
            Ok(at) => {
                if let Some(known) = self.effective.get_mut(at) {
                    *known = effective;
                }
            }
            Err(at) => self.effective.insert(at, effective),
        }
    }

    /// Whether a choice does not name this identifier: what downstreams are told as `inherited`.
    #[must_use]
    pub fn inherits(&self, me: &Identifier, choice: &Arc<Choice>) -> bool {
        match &choice.names {
            Names::Listed(hashes) => !hashes.contains(&me.hash64()),
            // What stands here names us, however many came after it.
            Names::Many(fingerprint) => {
                let stands_here = |own: &OwnChoice| own.named == *choice || own.latest == *choice;
                !self.crowded_choices.contains(fingerprint) && !self.own.iter().any(stands_here)
            }
        }
    }

    /// Notes that a choice names this identifier, where the choice itself does not tell.
    pub fn note_crowded_choice(&mut self, choice: &Choice) {
        if let Names::Many(fingerprint) = choice.names
            && !self.crowded_choices.contains(&fingerprint)
        {
            if self.crowded_choices.len() == Self::CROWDED_CHOICES_MAX {
                self.crowded_choices.remove(0);
            }
            self.crowded_choices.push(fingerprint);
        }
    }
}
