//! The rows of one shard.

use std::sync::Arc;

use quell_domain::ShardNumber;
use quell_graph::{ReadError, Rows, Taker};
use rocksdb::{BoundColumnFamily, IteratorMode, ReadOptions};

use crate::database::{Database, column_family_name};
use crate::marker;
use crate::open_error::is_damage;

/// The committed rows of one shard. Any thread may read; each read sees whole writes only, one read and the next may
/// see a write between them.
#[derive(Clone, Debug)]
pub struct DiskShard {
    database: Arc<Database>,
    column_family: String,
}

impl DiskShard {
    pub(crate) fn new(database: Arc<Database>, shard: ShardNumber) -> Self {
        Self { database, column_family: column_family_name(shard) }
    }

    fn column_family(&self) -> Result<Arc<BoundColumnFamily<'_>>, ReadError> {
        self.database
            .rows
            .cf_handle(&self.column_family)
            .ok_or_else(|| ReadError::Failed(format!("no {}", self.column_family)))
    }
}

impl Rows for DiskShard {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.database.rows.get_cf(&self.column_family()?, key).map_err(unreadable)
    }

    fn get_many(&self, keys: &[Vec<u8>], take: &mut Taker<'_>) -> Result<(), ReadError> {
        debug_assert!(keys.is_sorted(), "the keys do not ascend");
        // In key order RocksDB reads each block once and the blocks of a file side by side.
        let values = self.database.rows.batched_multi_get_cf(&self.column_family()?, keys, true);
        for (place, value) in values.into_iter().enumerate() {
            if let Some(value) = value.map_err(unreadable)? {
                take(place, &value)?;
            }
        }
        Ok(())
    }

    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError> {
        let from = from.max(marker::FIRST_ROW_KEY.as_slice());
        if from >= until {
            return Ok(Vec::new());
        }
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_lower_bound(from);
        bounds.set_iterate_upper_bound(until);
        let rows = self.database.rows.iterator_cf_opt(&self.column_family()?, bounds, IteratorMode::Start);
        rows.take(limit)
            .map(|row| row.map(|(key, value)| (key.into_vec(), value.into_vec())).map_err(unreadable))
            .collect()
    }
}

fn unreadable(error: rocksdb::Error) -> ReadError {
    if is_damage(&error) { ReadError::Damaged(error.into_string()) } else { ReadError::Failed(error.into_string()) }
}
