//! The nodes that are in memory.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use quell_domain::{Identifier, Millis, RightSet};

use crate::node::Node;
use crate::overlay::Sequence;
use crate::publish::Moved;

/// Where a node is in memory, until the next [`Cache::retain`] or [`Cache::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// A node in memory. It stands for its row until that is in the store, and may stay as a cache thereafter.
#[derive(Debug)]
pub(crate) struct Entry {
    pub identifier: Identifier,
    /// Apart from the entries, which move as they become more.
    pub node: Box<Node>,
    /// The epoch that changed it last; it may be dropped once that one is in the store. 0: none.
    pub changed_in: Sequence,
    /// Why and by which record its published state may be out of date, in this epoch.
    pub moved: Option<Moved>,
    /// There is a row of it.
    pub is_stored: bool,
    /// The rights of its own choices that are counted.
    pub counted: RightSet,
    /// The time under which it stands in the index of waiting relaxations.
    pub held_until: Option<Millis>,
}

impl Entry {
    /// One of which nothing is known.
    fn new(identifier: Identifier) -> Self {
        let (node, moved, held_until) = (Box::default(), None, None);
        Self { identifier, node, changed_in: 0, moved, is_stored: false, counted: RightSet::EMPTY, held_until }
    }

    /// This is its row.
    pub fn stored(&mut self, node: Node) {
        self.held_until = node.first_hold();
        self.counted = node.own.iter().map(|own| own.right).collect();
        self.is_stored = true;
        *self.node = node;
    }

    /// Notes that this epoch changes it. Whether it is the first time.
    pub fn touch(&mut self, current: Sequence) -> bool {
        std::mem::replace(&mut self.changed_in, current) != current
    }
}

/// The nodes that are in memory, by their identifiers and by their slots.
///
/// An operation looks its node up once, and has the slot from then on: with tens of thousands of nodes each look-up waits
/// for memory.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    slots: HashTable<Slot>,
    entries: Vec<Entry>,
}

impl Cache {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The node in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(at(slot))
    }

    /// The node in a slot.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(at(slot))
    }

    /// The slot of an identifier. One that is not here becomes the last entry, of which nothing is known.
    pub fn admit(&mut self, identifier: &Identifier) -> Slot {
        let Self { slots, entries } = self;
        let is_it = |slot: &Slot| entries.get(at(*slot)).is_some_and(|entry| entry.identifier == *identifier);
        let rehash = |slot: &Slot| entries.get(at(*slot)).map_or(0, |entry| hash(&entry.identifier));
        match slots.entry(hash(identifier), is_it, rehash) {
            Place::Occupied(place) => *place.get(),
            Place::Vacant(place) => {
                // Memory ends long before.
                let slot = Slot(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                place.insert(slot);
                entries.push(Entry::new(identifier.clone()));
                slot
            }
        }
    }

    /// The entries from the one at `from` on.
    pub fn last_from(&mut self, from: usize) -> &mut [Entry] {
        self.entries.get_mut(from..).unwrap_or_default()
    }

    /// Slots in the order of their nodes' keys, in which a store is read and written fastest.
    pub fn in_key_order(&self, slots: Vec<Slot>) -> Vec<Slot> {
        let mut sorted: Vec<_> =
            slots.iter().filter_map(|slot| Some((sort_key(&self.get(*slot)?.identifier), *slot))).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Drops the entries from the one at `from` on.
    pub fn truncate(&mut self, from: usize) {
        for entry in self.entries.drain(from.min(self.entries.len())..) {
            if let Ok(place) = self.slots.find_entry(hash(&entry.identifier), |slot| at(*slot) >= from) {
                place.remove();
            }
        }
    }

    /// Drops all but some. No slot is good thereafter.
    pub fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        self.entries.retain(keep);
        self.slots.clear();
        let Self { slots, entries } = self;
        for (number, entry) in (0..).zip(entries.iter()) {
            let rehash = |slot: &Slot| entries.get(at(*slot)).map_or(0, |entry| hash(&entry.identifier));
            slots.insert_unique(hash(&entry.identifier), Slot(number), rehash);
        }
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.entries.clear();
    }
}

fn at(slot: Slot) -> usize {
    usize::try_from(slot.0).unwrap_or(usize::MAX)
}

/// The hash that is the identifier's own, turned: by its last bits shards are told apart, so they are alike here, and a
/// table takes those.
fn hash(identifier: &Identifier) -> u64 {
    identifier.hash64().rotate_right(16)
}

/// What identifiers are sorted by: their first bytes as a number, which mostly decides without a look at the rest.
pub(crate) fn sort_key(identifier: &Identifier) -> (u64, &[u8]) {
    let bytes = identifier.as_bytes();
    let mut first = [0; 8];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    (u64::from_be_bytes(first), bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]

    use super::*;

    fn identifier(number: u32) -> Identifier {
        Identifier::new("cookie_id", &format!("cookie-{number}")).unwrap()
    }

    fn holds(cache: &Cache, numbers: impl Iterator<Item = u32>) -> bool {
        let found = |number| cache.slots.find(hash(&identifier(number)), |slot| cache.get(*slot).is_some()).is_some();
        numbers.into_iter().all(found)
    }

    #[test]
    fn an_identifier_has_one_slot() {
        let mut cache = Cache::default();
        let slots: Vec<Slot> = (0..1000).map(|number| cache.admit(&identifier(number))).collect();
        let again: Vec<Slot> = (0..1000).map(|number| cache.admit(&identifier(number))).collect();
        assert_eq!(slots, again);
        assert_eq!(cache.len(), 1000);
        assert!(slots.iter().zip(0..).all(|(slot, number)| cache.get(*slot).unwrap().identifier == identifier(number)));
    }

    #[test]
    fn slots_are_sorted_as_their_keys_are() {
        let mut cache = Cache::default();
        let names = ["b", "a", "aa", "identifiers-that-begin-alike-2", "identifiers-that-begin-alike-1", "é"];
        let slots: Vec<Slot> =
            names.iter().map(|name| cache.admit(&Identifier::new("cookie_id", name).unwrap())).collect();
        let sorted = cache.in_key_order(slots);
        let keys: Vec<Vec<u8>> =
            sorted.iter().map(|slot| crate::keys::node(&cache.get(*slot).unwrap().identifier)).collect();
        assert_eq!(keys.len(), names.len());
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn what_is_dropped_is_new_when_it_comes_again() {
        let mut cache = Cache::default();
        for number in 0..100 {
            let slot = cache.admit(&identifier(number));
            cache.get_mut(slot).unwrap().changed_in = Sequence::from(number);
        }
        cache.truncate(90);
        assert_eq!(cache.len(), 90);
        assert!(holds(&cache, 0..90));
        cache.retain(|entry| entry.changed_in >= 50);
        assert_eq!(cache.len(), 40);
        for number in 0..100 {
            let slot = cache.admit(&identifier(number));
            let expected = if (50..90).contains(&number) { number } else { 0 };
            assert_eq!(cache.get(slot).unwrap().changed_in, Sequence::from(expected));
        }
        assert_eq!(cache.len(), 100);
    }
}
