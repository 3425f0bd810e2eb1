//! The index: who is opted out of what, in memory.
//!
//! Of each identifier a keyed hash, the rights that are opted out, and where its full record is. A hash may be shared:
//! then the full records tell whose is whose. What cannot be told restricts (Q1).

use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use quell_domain::Identifier;

use crate::right_bits::{RightBits, RightMask};
use crate::state::{Change, RightStanding, State};
use crate::table::{Entry, Location, Table};

/// The upper bits of a hash that choose a table: so many small ones that one which grows is nothing beside all.
pub(crate) const TABLE_BITS: u32 = 10;

/// A full record moves when the local copy is written anew; whoever has its old place looks again, so often at most.
const LOOKS_MAX: usize = 4;

/// Where full records are: the local copy.
pub trait FullRecords {
    /// The record at a place; none if it is not there, not whole, or not to be had.
    fn read(&self, at: Location) -> Option<State>;
}

/// What is known of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is opted out of none of the rights in question. Whether anything is known of it was not asked, or nothing is.
    Nothing,
    /// Its record.
    Found(State),
    /// Something is opted out of some of these rights that may be this identifier, and the record cannot be read.
    Unreadable(RightMask),
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// An identifier came.
    Inserted,
    /// It is known otherwise.
    Replaced,
    /// It went.
    Removed,
    /// There is a newer one, or nothing to remove.
    Nothing,
}

/// Who is opted out of what.
#[derive(Debug)]
pub struct Suppressions<S = RandomState> {
    tables: Box<[RwLock<Table>]>,
    hasher: S,
    rights: RightBits,
    len: AtomicUsize,
    /// Held by whoever changes something: slots stay where they are meanwhile.
    writer: Mutex<()>,
}

impl Default for Suppressions {
    fn default() -> Self {
        Self::new(RandomState::new())
    }
}

impl<S: BuildHasher> Suppressions<S> {
    /// Nobody. The hasher has a key that nobody outside can know, or identifiers could be made to share a hash.
    #[must_use]
    pub fn new(hasher: S) -> Self {
        let tables = (0..1usize << TABLE_BITS).map(|_| RwLock::default()).collect();
        Self { tables, hasher, rights: RightBits::default(), len: AtomicUsize::new(0), writer: Mutex::new(()) }
    }

    /// The bits of rights.
    #[must_use]
    pub fn right_bits(&self) -> &RightBits {
        &self.rights
    }

    /// How many identifiers are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tables = self.tables.iter().map(|table| size_of::<RwLock<Table>>() + read(table).bytes());
        tables.sum()
    }

    /// What is known of an identifier, as far as these rights are concerned; or at all, if it `must_be_known`.
    pub fn look(
        &self,
        identifier: &Identifier,
        rights: RightMask,
        must_be_known: bool,
        records: &impl FullRecords,
    ) -> Look {
        let hash = self.hash(identifier);
        let mut look = Look::Nothing;
        for _ in 0..LOOKS_MAX {
            let (mut own, mut unreadable) = (None, RightMask::default());
            let mut moved = false;
            for entry in self.candidates(hash) {
                let concerned = RightMask(entry.rights & rights.0);
                if concerned == RightMask::default() && !must_be_known {
                    continue;
                }
                match records.read(entry.location) {
                    Some(state) if state.identifier == *identifier => own = Some((state, concerned)),
                    Some(_) => {}
                    None => {
                        moved |= !self.candidates(hash).contains(&entry);
                        unreadable = unreadable.union(concerned);
                    }
                }
            }
            look = match own {
                None if unreadable == RightMask::default() => Look::Nothing,
                None => Look::Unreadable(unreadable),
                Some((state, _)) if unreadable == RightMask::default() => Look::Found(state),
                // Q1: beside what cannot be read, what can be read frees nobody.
                Some((_, concerned)) => Look::Unreadable(unreadable.union(concerned)),
            };
            if !moved {
                break;
            }
        }
        look
    }

    /// Takes up a change, whose full record is in the copy already.
    pub fn apply(&self, change: &Change, at: Location, records: &impl FullRecords) -> Applied {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash(change.identifier());
        let Some(table) = self.table(hash) else { return Applied::Nothing };
        let found: Vec<(usize, Entry)> = read(table).find(hash).collect();
        // Q1: one that cannot be read may be another identifier's, and is left as it is.
        let own = found.into_iter().find_map(|(slot, entry)| {
            let state = records.read(entry.location)?;
            (state.identifier == *change.identifier()).then_some((slot, state.version))
        });
        match (change, own) {
            (Change::Holds(state), Some((_, version)))
                if version > state.version && state.version != State::UNVERSIONED =>
            {
                Applied::Nothing
            }
            (Change::Holds(state), own) if !state.rights.is_empty() => {
                let entry = Entry { hash, rights: self.opted_out(state).0, location: at };
                match own {
                    Some((slot, _)) => {
                        write(table).replace(slot, entry);
                        Applied::Replaced
                    }
                    None => {
                        write(table).insert(entry);
                        self.len.fetch_add(1, Ordering::Relaxed);
                        Applied::Inserted
                    }
                }
            }
            (_, Some((slot, _))) => {
                write(table).remove(slot);
                self.len.fetch_sub(1, Ordering::Relaxed);
                Applied::Removed
            }
            (_, None) => Applied::Nothing,
        }
    }

    /// Where the full records of a part of the index are, by the number of the part; none past the last.
    #[must_use]
    pub fn locations(&self, part: usize) -> Option<Vec<Location>> {
        Some(read(self.tables.get(part)?).iter().map(|entry| entry.location).collect())
    }

    /// A full record has moved.
    pub fn moved(&self, identifier: &Identifier, from: Location, to: Location) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash(identifier);
        let Some(table) = self.table(hash) else { return };
        let mut table = write(table);
        let found = table.find(hash).find(|(_, entry)| entry.location == from);
        if let Some((slot, entry)) = found {
            table.replace(slot, Entry { location: to, ..entry });
        }
    }

    /// Forgets everybody. Answers are no good until all is read anew.
    pub fn clear(&self) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.tables.iter().for_each(|table| *write(table) = Table::default());
        self.len.store(0, Ordering::Relaxed);
    }

    fn opted_out(&self, state: &State) -> RightMask {
        let of = |name: &str| if name == RightStanding::EVERY { RightMask(u64::MAX) } else { self.rights.of(name) };
        let opted_out = state.rights.iter().filter(|right| right.opted_out);
        opted_out.fold(RightMask::default(), |mask, right| mask.union(of(&right.name)))
    }

    fn hash(&self, identifier: &Identifier) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(identifier.as_bytes());
        hasher.finish().max(1)
    }

    fn table(&self, hash: u64) -> Option<&RwLock<Table>> {
        self.tables.get(usize::try_from(hash >> (u64::BITS - TABLE_BITS)).unwrap_or(usize::MAX))
    }

    /// All that may be this identifier's. Almost always none, which allocates nothing.
    fn candidates(&self, hash: u64) -> Vec<Entry> {
        self.table(hash).map_or_else(Vec::new, |table| read(table).find(hash).map(|(_, entry)| entry).collect())
    }
}

fn read(table: &RwLock<Table>) -> RwLockReadGuard<'_, Table> {
    table.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(table: &RwLock<Table>) -> RwLockWriteGuard<'_, Table> {
    table.write().unwrap_or_else(PoisonError::into_inner)
}
