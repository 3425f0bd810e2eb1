//! Transactions: who wrote where, and how it was decided.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;

/// Counts all transactions of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionNumber(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug)]
struct Transaction {
    producer: String,
    state: TransactionState,
    places: BTreeSet<Place>,
}

/// A decision on its way to a partition, or (none) to the group's offsets.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    pub transaction: TransactionNumber,
    pub place: Option<Place>,
    pub committed: bool,
}

/// The transaction coordinator.
#[derive(Debug, Default)]
pub struct Transactions {
    all: BTreeMap<TransactionNumber, Transaction>,
    markers: Vec<Marker>,
}

impl Transactions {
    /// A producer begins one.
    pub fn begin(&mut self, producer: &str) -> TransactionNumber {
        let number = TransactionNumber(self.all.len() as u64);
        let (state, places) = (TransactionState::Open, BTreeSet::new());
        self.all.insert(number, Transaction { producer: producer.to_owned(), state, places });
        number
    }

    /// A partition takes part.
    pub fn touch(&mut self, number: TransactionNumber, place: Place) {
        if let Some(transaction) = self.all.get_mut(&number) {
            transaction.places.insert(place);
        }
    }

    pub fn state(&self, number: TransactionNumber) -> TransactionState {
        self.all.get(&number).map_or(TransactionState::Aborted, |transaction| transaction.state)
    }

    /// What is decided stays so.
    pub fn decide(&mut self, number: TransactionNumber, committed: bool) {
        let Some(transaction) = self.all.get_mut(&number) else { return };
        if transaction.state != TransactionState::Open {
            return;
        }
        transaction.state = if committed { TransactionState::Committed } else { TransactionState::Aborted };
        let places = transaction.places.iter().map(|place| Some(*place)).chain([None]);
        self.markers.extend(places.map(|place| Marker { transaction: number, place, committed }));
    }

    /// Those that are open.
    pub fn open(&self) -> Vec<TransactionNumber> {
        let open = self.all.iter().filter(|(_, transaction)| transaction.state == TransactionState::Open);
        open.map(|(number, _)| *number).collect()
    }

    /// Those of a producer that are open.
    pub fn open_of(&self, producer: &str) -> Vec<TransactionNumber> {
        let belongs = |number: &TransactionNumber| self.all.get(number).is_some_and(|known| known.producer == producer);
        self.open().into_iter().filter(belongs).collect()
    }

    /// How many markers are on their way.
    pub fn markers(&self) -> usize {
        self.markers.len()
    }

    /// One of them that a producer's transaction waits for.
    pub fn marker_of(&self, producer: &str) -> Option<usize> {
        let belongs =
            |marker: &Marker| self.all.get(&marker.transaction).is_some_and(|known| known.producer == producer);
        self.markers.iter().position(belongs)
    }

    pub fn take_marker(&mut self, at: usize) -> Option<Marker> {
        (at < self.markers.len()).then(|| self.markers.swap_remove(at))
    }
}
