//! One small table of the index: open addressing over three plain arrays.
//!
//! A general hash map doubles when it is full, and for a moment every entry costs twice its room. These grow by a fifth,
//! each at its own time, and 22 bytes an entry never become more than 32.

/// Where the full record of an entry is in the local copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(u64);

impl Location {
    /// The largest: it is kept in six bytes.
    pub const MAX: u64 = (1 << 48) - 1;

    /// A place in the copy.
    #[must_use]
    pub fn new(place: u64) -> Option<Self> {
        (place <= Self::MAX).then_some(Self(place))
    }

    /// The place.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    fn pack(self) -> [u8; 6] {
        let [a, b, c, d, e, f, _, _] = self.0.to_le_bytes();
        [a, b, c, d, e, f]
    }

    fn unpack([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

/// What is kept of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Of the identifier; never 0, which is a free slot's.
    pub hash: u64,
    /// The rights that are opted out.
    pub rights: u64,
    /// Where the full record is.
    pub location: Location,
}

/// At most so much of a table is taken, in hundredths: longer searches cost more than the room is worth.
const LOAD_MAX: usize = 85;

/// By how much it grows, in hundredths: right after that each entry has 22 / (0.85 / 1.2) = 31 bytes.
const GROWTH: usize = 120;

const FIRST_SLOTS: usize = 8;

/// Entries by hash; equal hashes stand side by side.
#[derive(Debug, Default)]
pub(crate) struct Table {
    hashes: Vec<u64>,
    rights: Vec<u64>,
    locations: Vec<[u8; 6]>,
    len: usize,
}

impl Table {
    /// The bytes that its slots take.
    pub fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>()
            + self.rights.capacity() * size_of::<u64>()
            + self.locations.capacity() * size_of::<[u8; 6]>()
    }

    /// The entries of a hash, with their slots.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = (usize, Entry)> {
        let slots = self.hashes.len();
        let home = home(hash, slots);
        (0..slots)
            .map(move |step| wrap(home + step, slots))
            .map_while(|slot| self.hashes.get(slot).copied().filter(|found| *found != 0).map(|found| (slot, found)))
            .filter(move |(_, found)| *found == hash)
            .filter_map(|(slot, _)| Some((slot, self.entry(slot)?)))
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = Entry> {
        (0..self.hashes.len()).filter_map(|slot| self.entry(slot))
    }

    /// Puts one more entry in, beside any of the same hash.
    pub fn insert(&mut self, entry: Entry) {
        if (self.len + 1) * 100 > self.hashes.len() * LOAD_MAX {
            self.grow();
        }
        self.put(entry);
        self.len += 1;
    }

    /// Puts an entry in the place of another one of the same hash.
    pub fn replace(&mut self, slot: usize, entry: Entry) {
        self.set(slot, entry);
    }

    /// Takes an entry out, and closes the gap: those behind it that would be nearer to their home move up.
    pub fn remove(&mut self, slot: usize) {
        let slots = self.hashes.len();
        let mut gap = slot;
        let mut next = wrap(gap + 1, slots);
        while let Some(entry) = self.entry(next) {
            let (from_home, to_gap) = (distance(home(entry.hash, slots), next, slots), distance(gap, next, slots));
            if from_home >= to_gap {
                self.set(gap, entry);
                gap = next;
            }
            next = wrap(next + 1, slots);
        }
        if let Some(hash) = self.hashes.get_mut(gap) {
            *hash = 0;
        }
        self.len -= 1;
    }

    fn entry(&self, slot: usize) -> Option<Entry> {
        let hash = self.hashes.get(slot).copied().filter(|hash| *hash != 0)?;
        let location = Location::unpack(*self.locations.get(slot)?);
        Some(Entry { hash, rights: *self.rights.get(slot)?, location })
    }

    fn set(&mut self, slot: usize, entry: Entry) {
        let places = (self.hashes.get_mut(slot), self.rights.get_mut(slot), self.locations.get_mut(slot));
        if let (Some(hash), Some(rights), Some(location)) = places {
            (*hash, *rights, *location) = (entry.hash, entry.rights, entry.location.pack());
        }
    }

    /// Into the first free slot from its home on; there is one.
    fn put(&mut self, entry: Entry) {
        let slots = self.hashes.len();
        let home = home(entry.hash, slots);
        let free = (0..slots).map(|step| wrap(home + step, slots)).find(|slot| self.hashes.get(*slot) == Some(&0));
        if let Some(slot) = free {
            self.set(slot, entry);
        }
    }

    fn grow(&mut self) {
        let slots = FIRST_SLOTS.max(self.hashes.len() * GROWTH / 100 + 1);
        let grown =
            Self { hashes: vec![0; slots], rights: vec![0; slots], locations: vec![[0; 6]; slots], len: self.len };
        let smaller = std::mem::replace(self, grown);
        smaller.iter().for_each(|entry| self.put(entry));
    }
}

/// Where the search for a hash begins: its place among all hashes, scaled to the slots, so that any number of slots will
/// do. The upper bits have chosen the table, so those below are taken.
fn home(hash: u64, slots: usize) -> usize {
    let mixed = u128::from(hash << super::suppressions::TABLE_BITS);
    usize::try_from((mixed * slots as u128) >> 64).unwrap_or(0)
}

fn wrap(slot: usize, slots: usize) -> usize {
    if slot >= slots { slot - slots } else { slot }
}

/// From one slot on to another.
fn distance(from: usize, to: usize, slots: usize) -> usize {
    if to >= from { to - from } else { to + slots - from }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(hash: u64, place: u64) -> Entry {
        Entry { hash, rights: place * 3, location: Location::new(place).unwrap() }
    }

    proptest! {
        /// Few hashes and few homes, so that entries crowd, wrap around and are equal.
        #[test]
        fn it_holds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0u64..24), 0..400),
        ) {
            let mut table = Table::default();
            let mut model: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let hash_of = |number: u64| (number % 12 + 1) << 50 | (number / 12) << 3 | 1;
            for (place, (is_put, number)) in steps.into_iter().enumerate() {
                let (hash, place) = (hash_of(number), place as u64);
                if is_put {
                    table.insert(entry(hash, place));
                    model.entry(hash).or_default().push(place);
                } else if let Some((slot, found)) = table.find(hash).last() {
                    table.remove(slot);
                    model.get_mut(&hash).unwrap().retain(|place| *place != found.location.get());
                }
            }
            prop_assert_eq!(table.len, model.values().map(Vec::len).sum::<usize>());
            for number in 0..24 {
                let hash = hash_of(number);
                let mut found: Vec<Entry> = table.find(hash).map(|(_, found)| found).collect();
                found.sort_by_key(|found| found.location);
                let mut expected = model.get(&hash).cloned().unwrap_or_default();
                expected.sort_unstable();
                prop_assert_eq!(found, expected.into_iter().map(|place| entry(hash, place)).collect::<Vec<_>>());
            }
        }
    }
}
