//! A local copy in memory, of which parts may not be readable.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};

use quell_decision::{Change, FullRecords, Location, RightStanding, State};
use quell_domain::{Identifier, Millis};

#[derive(Default)]
pub struct MemoryCopy {
    records: RefCell<Vec<Change>>,
    pub unreadable: RefCell<BTreeSet<u64>>,
}

impl MemoryCopy {
    pub fn append(&self, change: &Change) -> Location {
        let mut records = self.records.borrow_mut();
        records.push(change.clone());
        Location::new(records.len() as u64 - 1).unwrap()
    }

    pub fn len(&self) -> u64 {
        self.records.borrow().len() as u64
    }
}

impl FullRecords for MemoryCopy {
    fn read(&self, at: Location) -> Option<State> {
        if self.unreadable.borrow().contains(&at.get()) {
            return None;
        }
        match self.records.borrow().get(usize::try_from(at.get()).unwrap())? {
            Change::Holds(state) => Some(state.clone()),
            Change::Gone(_) => None,
        }
    }
}

/// So few hashes that identifiers share them.
#[derive(Clone, Default)]
pub struct Crowded(u64);

impl BuildHasher for Crowded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Crowded {
    fn finish(&self) -> u64 {
        self.0 % 3
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum + u64::from(*byte));
    }
}

pub fn account(value: &str) -> Identifier {
    Identifier::new("account_id", value).unwrap()
}

pub fn holds(identifier: &Identifier, version: i64, rights: &[(&str, bool)]) -> Change {
    let rights = rights.iter().map(|(name, opted_out)| RightStanding {
        name: (*name).to_owned(),
        opted_out: *opted_out,
        choice_id: format!("choice-{version}-{name}"),
        since: Millis(version),
        inherited: version % 2 == 0,
    });
    Change::Holds(State { identifier: identifier.clone(), version, rights: rights.collect() })
}
