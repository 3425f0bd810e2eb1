//! What the tests have in common: a store, and short names for what is written to it.

use std::path::Path;

use quell_domain::{Millis, ShardNumber};
use quell_engine::log::Offset;
use quell_engine::store::{ShardChanges, Store};
use quell_graph::{Change, Rows};
use quell_store::{DiskShard, DiskStore, Options};

/// Every key that a row can have, and some more.
pub const EVERYTHING: (&[u8], &[u8]) = (&[], &[255, 255, 255, 255]);

pub fn options() -> Options {
    Options { memory_bytes: 16 << 20, group_id: "quell".to_owned(), threads: 2 }
}

pub fn open(path: &Path) -> DiskStore {
    DiskStore::open(path, &options()).unwrap()
}

/// A store with one open shard.
pub fn open_one(path: &Path) -> (DiskStore, DiskShard) {
    let mut store = open(path);
    let shard = store.open_shard(ShardNumber(0)).unwrap().rows;
    (store, shard)
}

pub fn put(key: &[u8], value: &str) -> Change {
    (key.to_vec(), Some(value.into()))
}

pub fn delete(key: &[u8]) -> Change {
    (key.to_vec(), None)
}

pub fn changes(shard: u32, next_offset: i64, changes: Vec<Change>) -> ShardChanges {
    ShardChanges { shard: ShardNumber(shard), changes, next_offset: Offset(next_offset), true_at: Millis(1) }
}

pub fn write(store: &mut DiskStore, next_offset: i64, rows: Vec<Change>) {
    store.write(vec![changes(0, next_offset, rows)]).unwrap();
}

/// All rows of a shard, as text.
pub fn rows(shard: &DiskShard) -> Vec<(Vec<u8>, String)> {
    let rows = shard.scan(EVERYTHING.0, EVERYTHING.1, usize::MAX).unwrap();
    rows.into_iter().map(|(key, value)| (key, String::from_utf8(value).unwrap())).collect()
}
