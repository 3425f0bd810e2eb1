//! Rows as they will be: what epochs have changed and not yet committed, over what is committed.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::rows::{Change, ReadError, Row, Rows};

/// Counts the sealed epochs of a shard. An entry of an overlay may be dropped once its epoch is in the store.
pub type Sequence = u64;

#[derive(Clone, Debug)]
struct Pending {
    value: Option<Vec<u8>>,
    changed_in: Sequence,
}

/// The rows of a shard other than its nodes' own (those have a typed cache): read through the changes of epochs that
/// are not in the store yet.
#[derive(Debug)]
pub struct Overlay<R> {
    committed: R,
    pending: BTreeMap<Vec<u8>, Pending>,
    current: Sequence,
}

impl<R: Rows> Overlay<R> {
    /// Nothing is pending over these rows.
    pub fn new(committed: R) -> Self {
        Self { committed, pending: BTreeMap::new(), current: 1 }
    }

    /// The committed rows.
    pub fn committed(&self) -> &R {
        &self.committed
    }

    /// The row of a key, as it will be.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.pending.get(key) {
            Some(pending) => Ok(pending.value.clone()),
            None => self.committed.get(key),
        }
    }

    /// Puts or deletes a row.
    pub fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.pending.insert(key, Pending { value, changed_in: self.current });
    }

    /// Up to `limit` rows with keys in `from..until`, as they will be, in key order.
    pub fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, ReadError> {
        let mut rows = Vec::new();
        let mut from = from.to_vec();
        loop {
            let chunk = self.committed.scan(&from, until, limit)?;
            // A full chunk says nothing of what lies behind its last key.
            let behind = (chunk.len() == limit).then(|| chunk.last().map(|(key, _)| key.clone())).flatten();
            let end = behind.as_deref().map_or(Bound::Excluded(until), Bound::Included);
            let mut pending = self.pending.range::<[u8], _>((Bound::Included(from.as_slice()), end)).peekable();
            let mut chunk = chunk.into_iter().peekable();
            while rows.len() < limit {
                let pending_first = match (pending.peek(), chunk.peek()) {
                    (None, None) => break,
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some((pending, _)), Some((committed, _))) => *pending <= committed,
                };
                if pending_first {
                    if let Some((key, change)) = pending.next() {
                        chunk.next_if(|(committed, _)| committed == key);
                        rows.extend(change.value.clone().map(|value| (key.clone(), value)));
                    }
                } else {
                    rows.extend(chunk.next());
                }
            }
            match behind {
                Some(mut last) if rows.len() < limit => {
                    last.push(0); // the first key behind it
                    from = last;
                }
                _ => return Ok(rows),
            }
        }
    }

    /// Ends the current epoch: what it changed, in key order, and its number.
    pub fn seal(&mut self) -> (Sequence, Vec<Change>) {
        let sealed = self.current;
        let changes = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.changed_in == sealed)
            .map(|(key, pending)| (key.clone(), pending.value.clone()))
            .collect();
        self.current += 1;
        (sealed, changes)
    }

    /// The number of the epoch that is being computed.
    pub fn current(&self) -> Sequence {
        self.current
    }

    /// What was changed up to this epoch is in the store now.
    pub fn settle(&mut self, sealed: Sequence) {
        self.pending.retain(|_, pending| pending.changed_in > sealed);
    }

    /// Nothing that is pending will come true.
    pub fn discard(&mut self) {
        self.pending.clear();
        self.current += 1;
    }
}
