//! Waves: how it is known that an event has come through the graph, wherever its messages went meanwhile.
//!
//! Instances take turns at saying how far they have come (`quell-engine`, `waves.rs`): each round is a wave. An input
//! record belongs to the first wave that waits for it, and so do the messages that it sets off ([`Origin::wave`]): once
//! no message of a wave, or of one before it, is on its way, what was in the inputs when it began is where it belongs.
//!
//! For that, no news may be on its way under a later wave than its own (W1 of `docs/invariants.md`). It could be in two
//! cases, and each has its remedy here:
//!
//! - A node hears for the second time what it has heard, and passed on, under a later wave. It says all that it says once
//!   more, under the earlier one: to all its neighbours, whomever it has answered, and that edges are gone.
//! - A retraction of a later wave makes a node forget what it has heard, and hear it once more. What it says for that
//!   reason belongs to the first wave that may still wait for anything that it knew.
//!
//! An instance that owns all shards needs none of it: what it takes in has come through when its epoch ends.
//!
//! [`Origin::wave`]: crate::Origin::wave

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use quell_domain::{Identifier, Millis};

/// The number of a wave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wave(pub u64);

impl Wave {
    /// Of something that may be older than any wave.
    pub const UNKNOWN: Self = Self(0);

    /// None: later than any.
    pub const NONE: Self = Self(u64::MAX);

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The one before it.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What a node has heard, by the waves that may wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Learned {
    /// The hash of the node's identifier. Two of the same hash are taken for one: waves wait for more than they must.
    node: u64,
    /// The first of the waves.
    first: Wave,
    /// The last.
    last: Wave,
    /// What the node says was said to each neighbour under this wave or an earlier one.
    told: Wave,
}

/// What waves wait for at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// The first wave that may wait for what the node knows; [`Wave::NONE`] if none does.
    pub first: Wave,
    /// What the node says was said to each neighbour under this wave or an earlier one; [`Wave::UNKNOWN`] if no wave
    /// waits for that.
    pub told: Wave,
}

/// Nodes in waves that are not complete. With more of them there is a backlog, and nothing is complete soon.
const LEARNED_MAX: usize = 200_000;

/// What one shard knows of waves.
#[derive(Debug)]
pub(crate) struct Waves {
    /// Whether other instances own shards: else nothing is noted.
    shared: bool,
    /// This wave, and all before it, are complete.
    complete: Wave,
    learned: HashTable<Learned>,
    /// Something was noted, and is forgotten.
    forgotten: bool,
    /// Relaxations that were to wait until then may be published (W4).
    pub relaxes_through: Millis,
    /// Always, but where a test shows that something notices.
    pub repeats: bool,
}

impl Default for Waves {
    fn default() -> Self {
        Self {
            shared: false,
            complete: Wave::UNKNOWN,
            learned: HashTable::new(),
            forgotten: false,
            relaxes_through: Millis(i64::MAX),
            repeats: true,
        }
    }
}

impl Waves {
    /// Whether other instances own shards, which waves are complete, and which relaxations have waited for them.
    pub fn set(&mut self, shared: bool, complete: Wave, relaxes_through: Millis) {
        self.shared = shared;
        self.relaxes_through = relaxes_through;
        if !shared {
            self.learned = HashTable::new();
        }
        if complete > self.complete {
            self.complete = complete;
            self.learned.retain(|learned| learned.last > complete);
        }
    }

    /// Forgets all: what was heard since the last epoch that is in the store will be heard again.
    pub fn discard(&mut self) {
        self.learned.clear();
    }

    /// Whether something was noted and is forgotten, since this was last asked.
    pub fn take_forgotten(&mut self) -> bool {
        std::mem::take(&mut self.forgotten)
    }

    /// Before an operation at a node.
    pub fn awaited(&self, node: &Identifier) -> Awaited {
        let known = self.known(node);
        if self.repeats { known } else { Awaited { told: Wave::UNKNOWN, ..known } }
    }

    fn known(&self, node: &Identifier) -> Awaited {
        if !self.shared {
            return Awaited { first: Wave::NONE, told: Wave::UNKNOWN };
        }
        let hash = node.hash64();
        let learned = self.learned.find(spread(hash), |learned| learned.node == hash);
        match learned.filter(|learned| learned.last > self.complete) {
            // Of those of its waves that are not complete, the first is not known any more.
            Some(learned) => {
                let told = if learned.told > self.complete { learned.told } else { Wave::UNKNOWN };
                Awaited { first: learned.first.max(self.complete.next()), told }
            }
            None => Awaited { first: Wave::NONE, told: Wave::UNKNOWN },
        }
    }

    /// After it: an operation of a wave was done, and what the node says was said under some wave, if at all.
    pub fn note(&mut self, node: &Identifier, wave: Wave, told: Option<Told>) {
        if !self.shared {
            return;
        }
        // What is said to be older than what is complete may be of any that is not.
        let wave = wave.max(self.complete.next());
        let before = self.known(node);
        let told = match told {
            Some(Told::All(told)) => told,
            Some(Told::Some(told)) => told.max(before.told),
            None => before.told,
        };
        let hash = node.hash64();
        let (first, last) = (before.first.min(wave), told.max(wave));
        match self.learned.entry(spread(hash), |learned| learned.node == hash, |learned| spread(learned.node)) {
            Place::Occupied(mut place) => {
                let last = last.max(place.get().last);
                *place.get_mut() = Learned { node: hash, first, last, told };
            }
            Place::Vacant(place) => {
                place.insert(Learned { node: hash, first, last, told });
            }
        }
        if self.learned.len() > LEARNED_MAX {
            self.learned = HashTable::new();
            self.forgotten = true;
        }
    }
}

/// To whom a node said, in a turn, what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// To all its neighbours.
    All(Wave),
    /// To some.
    Some(Wave),
}

/// The last bits of the nodes of a shard are alike, and a table takes those.
fn spread(hash: u64) -> u64 {
    hash.rotate_right(16)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    const NOW: Millis = Millis(1_795_464_000_000);

    fn node() -> Identifier {
        Identifier::new("cookie_id", "c").unwrap()
    }

    #[test]
    fn an_instance_that_owns_all_shards_notes_nothing() {
        let mut waves = Waves::default();
        waves.note(&node(), Wave(5), Some(Told::All(Wave(5))));
        assert_eq!(waves.awaited(&node()), Awaited { first: Wave::NONE, told: Wave::UNKNOWN });
    }

    #[test]
    fn what_waves_wait_for_is_forgotten_once_they_are_complete() {
        let mut waves = Waves::default();
        waves.set(true, Wave(4), NOW);
        waves.note(&node(), Wave(6), Some(Told::All(Wave(6))));
        waves.note(&node(), Wave(5), None);
        waves.note(&node(), Wave(7), Some(Told::Some(Wave(7))));
        assert_eq!(waves.awaited(&node()), Awaited { first: Wave(5), told: Wave(7) });
        waves.set(true, Wave(5), NOW);
        assert_eq!(waves.awaited(&node()), Awaited { first: Wave(6), told: Wave(7) });
        waves.set(true, Wave(7), NOW);
        assert_eq!(waves.awaited(&node()), Awaited { first: Wave::NONE, told: Wave::UNKNOWN });
        assert!(waves.learned.is_empty());
    }

    #[test]
    fn what_is_older_than_what_is_complete_may_be_of_any_that_is_not() {
        let mut waves = Waves::default();
        waves.set(true, Wave(4), NOW);
        waves.note(&node(), Wave::UNKNOWN, None);
        assert_eq!(waves.awaited(&node()).first, Wave(5));
    }
}
