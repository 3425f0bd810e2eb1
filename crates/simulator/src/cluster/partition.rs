//! A partition: records, and the markers that decide those of transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quell_domain::Millis;
use quell_engine::log::{Header, Offset};

use super::TransactionNumber;

/// A record.
#[derive(Clone, Debug)]
pub struct Entry {
    pub transaction: Option<TransactionNumber>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    pub timestamp: Millis,
    /// Superseded, and removed. Kept here for those who check; readers do not see it.
    pub compacted: bool,
    /// A deletion that was kept for long enough, and removed.
    pub expired: bool,
    /// When it was first met by the cleaner, which keeps deletions for some time after that.
    cleaned_at: Option<Millis>,
}

/// A partition. Markers take offsets, too, and are never delivered.
#[derive(Debug, Default)]
pub struct Partition {
    entries: Vec<Option<Entry>>,
    /// Undecided here: where each began.
    open: BTreeMap<TransactionNumber, usize>,
    aborted: BTreeSet<TransactionNumber>,
}

fn offset(at: usize) -> Offset {
    Offset(i64::try_from(at).unwrap_or(i64::MAX))
}

fn index(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap_or(0)
}

impl Partition {
    pub fn append(
        &mut self,
        transaction: Option<TransactionNumber>,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<Header>,
        timestamp: Millis,
    ) -> Offset {
        let at = self.entries.len();
        if let Some(transaction) = transaction {
            self.open.entry(transaction).or_insert(at);
        }
        let (compacted, expired, cleaned_at) = (false, false, None);
        let entry = Entry { transaction, key, value, headers, timestamp, compacted, expired, cleaned_at };
        self.entries.push(Some(entry));
        offset(at)
    }

    /// A transaction's marker arrives.
    pub fn mark(&mut self, transaction: TransactionNumber, committed: bool) {
        self.open.remove(&transaction);
        if !committed {
            self.aborted.insert(transaction);
        }
        self.entries.push(None);
    }

    /// The high watermark.
    pub fn high(&self) -> Offset {
        offset(self.entries.len())
    }

    /// The last stable offset: nothing before it is undecided.
    pub fn stable(&self) -> Offset {
        self.open.values().min().map_or_else(|| self.high(), |first| offset(*first))
    }

    /// What a read-committed reader gets between two offsets; the end is not beyond the last stable offset.
    pub fn committed(&self, from: Offset, until: Offset) -> impl Iterator<Item = (Offset, &Entry)> {
        self.history(from, until).filter(|(_, entry)| !entry.compacted && !entry.expired)
    }

    /// The same, with what was compacted meanwhile.
    pub fn history(&self, from: Offset, until: Offset) -> impl Iterator<Item = (Offset, &Entry)> {
        let until = index(until.min(self.stable()));
        let entries = self.entries.iter().enumerate().take(until).skip(index(from));
        entries.filter_map(|(at, entry)| {
            let entry = entry.as_ref()?;
            let aborted = entry.transaction.is_some_and(|transaction| self.aborted.contains(&transaction));
            (!aborted).then(|| (offset(at), entry))
        })
    }

    /// What transactions have written that are decided, wherever their markers are, and what none has.
    pub fn decided(&self, is_committed: impl Fn(TransactionNumber) -> bool) -> impl Iterator<Item = &Entry> {
        let entries = self.entries.iter().flatten();
        entries.filter(move |entry| entry.transaction.is_none_or(&is_committed))
    }

    /// Of each key only the last committed record stays, and of deletions not even that for ever.
    pub fn compact(&mut self, now: Millis, deletions_kept: Duration) {
        let stable = index(self.stable());
        let mut seen = BTreeSet::new();
        for entry in self.entries.iter_mut().take(stable).rev().flatten() {
            let aborted = entry.transaction.is_some_and(|transaction| self.aborted.contains(&transaction));
            if !aborted {
                entry.compacted = !seen.insert(entry.key.clone());
                let cleaned_at = *entry.cleaned_at.get_or_insert(now);
                entry.expired |= entry.value.is_none() && cleaned_at + deletions_kept < now;
            }
        }
    }
}
