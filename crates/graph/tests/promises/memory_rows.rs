//! A shard's committed rows, in memory; counts what is read.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use quell_graph::{Change, ReadError, Row, Rows, Taker};

#[derive(Clone, Default)]
pub struct MemoryRows {
    rows: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    read: Rc<Cell<u64>>,
}

impl MemoryRows {
    pub fn write(&self, changes: Vec<Change>) {
        let mut rows = self.rows.lock().unwrap();
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
    }

    /// How many rows were read since this was last asked, those that are not there included.
    pub fn take_read(&self) -> u64 {
        self.read.take()
    }

    fn count(&self, more: usize) {
        self.read.set(self.read.get() + more as u64);
    }
}

impl Rows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.count(1);
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn get_many(&self, keys: &[Vec<u8>], take: &mut Taker<'_>) -> Result<(), ReadError> {
        for (place, key) in keys.iter().enumerate() {
            if let Some(value) = self.get(key)? {
                take(place, &value)?;
            }
        }
        Ok(())
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, ReadError> {
        let rows = self.rows.lock().unwrap();
        let found = rows.range(from.to_vec()..until.to_vec()).take(limit);
        let found: Vec<Row> = found.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.count(found.len().max(1));
        Ok(found)
    }
}
