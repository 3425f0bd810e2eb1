//! The store port on a simulated disk, which forgets in a crash what was not flushed, each shard for itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use quell_domain::{Millis, ShardNumber};
use quell_engine::log::Offset;
use quell_engine::store::{Opened, ShardChanges, Store, StoreError};
use quell_graph::{Change, ReadError, Row, Rows, Taker};

type RowMap = BTreeMap<Vec<u8>, Vec<u8>>;

/// What one shard's rows are, and what they would be after a crash.
#[derive(Debug, Default)]
struct ShardOnDisk {
    rows: Arc<Mutex<RowMap>>,
    progress: Progress,
    flushed: RowMap,
    flushed_progress: Progress,
    unflushed: Vec<ShardChanges>,
}

/// Where the changelog goes on, and when that was all of it; none, unless something was written.
type Progress = Option<(Offset, Millis)>;

/// A disk; it outlives its instance.
#[derive(Clone, Debug, Default)]
pub struct Disk(Rc<RefCell<BTreeMap<ShardNumber, ShardOnDisk>>>);

/// The rows of a shard on it.
#[derive(Clone, Debug)]
pub struct DiskShard(Arc<Mutex<RowMap>>);

fn lock(rows: &Mutex<RowMap>) -> MutexGuard<'_, RowMap> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(rows: &mut RowMap, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
}

impl Disk {
    /// The instance died: of each shard, what had been flushed stays, and by chance some of what came after.
    pub fn crash(&self, chance: &mut Rng) {
        for shard in self.0.borrow_mut().values_mut() {
            let survived = chance.usize(0..=shard.unflushed.len());
            let (mut rows, mut progress) = (std::mem::take(&mut shard.flushed), shard.flushed_progress);
            for changes in shard.unflushed.drain(..).take(survived) {
                write(&mut rows, changes.changes);
                progress = Some((changes.next_offset, changes.true_at));
            }
            shard.flushed.clone_from(&rows);
            shard.flushed_progress = progress;
            shard.progress = progress;
            // A dead engine's handles must not see the new rows.
            shard.rows = Arc::new(Mutex::new(rows));
        }
    }

    /// A shard's memory reaches the disk.
    pub fn flush(&self, chance: &mut Rng) {
        if let Some(shard) = chance.choice(self.0.borrow_mut().values_mut()) {
            shard.flushed.clone_from(&lock(&shard.rows));
            shard.flushed_progress = shard.progress;
            shard.unflushed.clear();
        }
    }

    /// Every shard: its rows, and where its changelog goes on.
    pub fn each(&self, mut visit: impl FnMut(ShardNumber, Offset, &RowMap)) {
        for (number, shard) in &*self.0.borrow() {
            visit(*number, shard.progress.map_or(Offset::START, |(next_offset, _)| next_offset), &lock(&shard.rows));
        }
    }
}

impl Store for Disk {
    type Shard = DiskShard;

    fn open_shard(&mut self, shard: ShardNumber) -> Result<Opened<DiskShard>, StoreError> {
        let mut shards = self.0.borrow_mut();
        let shard = shards.entry(shard).or_default();
        let (next_offset, true_at) = shard.progress.unwrap_or((Offset::START, Millis(0)));
        Ok(Opened { rows: DiskShard(Arc::clone(&shard.rows)), next_offset, true_at })
    }

    fn write(&mut self, changes: Vec<ShardChanges>) -> Result<(), StoreError> {
        for changes in changes {
            let mut shards = self.0.borrow_mut();
            let Some(shard) = shards.get_mut(&changes.shard) else {
                return Err(StoreError::Failed(format!("shard {} is not open", changes.shard)));
            };
            write(&mut lock(&shard.rows), changes.changes.clone());
            shard.progress = Some((changes.next_offset, changes.true_at));
            shard.unflushed.push(changes);
        }
        Ok(())
    }

    fn confirm(&mut self, shards: &[ShardNumber], now: Millis) -> Result<(), StoreError> {
        let progress =
            |shard: &ShardNumber| self.0.borrow().get(shard)?.progress.map(|(next_offset, _)| (*shard, next_offset));
        let known: Vec<(ShardNumber, Offset)> = shards.iter().filter_map(progress).collect();
        let unchanged = known.into_iter().map(|(shard, next_offset)| ShardChanges {
            shard,
            changes: Vec::new(),
            next_offset,
            true_at: now,
        });
        self.write(unchanged.collect())
    }

    fn wipe_shard(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        self.0.borrow_mut().remove(&shard);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

impl Rows for DiskShard {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(lock(&self.0).get(key).cloned())
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
        let rows = lock(&self.0);
        let found = rows.range(from.to_vec()..until.to_vec()).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
