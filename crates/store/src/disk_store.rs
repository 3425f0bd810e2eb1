//! The store: opening it, writing to it, closing it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;

use quell_domain::{Millis, ShardNumber};
use quell_engine::store::{Opened, ShardChanges, Store, StoreError};
use quell_graph::Change;
use rocksdb::properties::{CUR_SIZE_ALL_MEM_TABLES, LIVE_SST_FILES_SIZE};
use rocksdb::{BoundColumnFamily, FlushOptions, WriteBatch, WriteOptions};

use crate::database::{Database, column_family_name};
use crate::directory::Directory;
use crate::marker::Progress;
use crate::settings::Settings;
use crate::{DiskShard, OpenError, Options, bulk, marker};

/// Pieces of a changelog with fewer changes than this go through memtables: a small file costs more than it saves, and
/// what is in the memtable of its shard has to be flushed before it.
const OWN_FILE_CHANGES_MIN: usize = 10_000;

/// What a row takes in a batch beyond its key and its value: a tag, the column family, two lengths.
const BATCH_OVERHEAD_BYTES: usize = 12;

/// The rows of shards on this machine's disk.
///
/// The first byte of a row's key is never 0: such keys are the store's own.
#[derive(Debug)]
pub struct DiskStore {
    database: Arc<Database>,
    settings: Settings,
    /// How far the shards have come that are here, whether this instance owns them now or did once: when one comes back,
    /// only the tail of its changelog is read.
    progress: BTreeMap<ShardNumber, Progress>,
}

impl DiskStore {
    /// Opens the store at `path`, making it where there is none.
    ///
    /// # Errors
    /// When it is not ours to use, or broken.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let directory = Directory::open(path, &options.group_id)?;
        let settings = Settings::new(options).map_err(|cause| OpenError::rows(path, cause))?;
        let (database, progress) = Database::open(directory, &settings.rocksdb)?;
        Ok(Self { database: Arc::new(database), settings, progress })
    }

    /// Throws away all rows of the store at `path`, which must not be open, and keeps its name.
    ///
    /// # Errors
    /// When it is not ours to use, or its files cannot be removed.
    pub fn wipe(path: &Path, group_id: &str) -> Result<(), OpenError> {
        let directory = Directory::open(path, group_id)?;
        match std::fs::remove_dir_all(directory.rows()) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(OpenError::directory(path, cause)),
            _ => Ok(()),
        }
    }

    /// The directory's name, made by chance when the directory was: no two instances of a group share one, and an
    /// instance has the same one after a restart.
    #[must_use]
    pub fn instance_name(&self) -> &str {
        self.database.directory.instance_name()
    }

    /// Bytes that blocks, indexes, filters and memtables take now, of [`Options::memory_bytes`].
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.settings.cache.get_usage()
    }

    /// Writes what is in memory to the disk, so that the next start reads nothing of it from the changelog. A store
    /// that is dropped does so, too, once its last [`DiskShard`] is gone, but cannot tell whether that worked.
    ///
    /// # Errors
    /// When the disk is full or broken. What was not written is in the changelog.
    pub fn close(self) -> Result<(), StoreError> {
        let column_families =
            self.progress.keys().map(|shard| self.column_family(*shard)).collect::<Result<Vec<_>, _>>()?;
        let column_families: Vec<_> = column_families.iter().collect();
        let flush = FlushOptions::default();
        self.database.rows.flush_cfs_opt(&column_families, &flush).map_err(|error| self.database.failed(error))
    }

    fn column_family(&self, shard: ShardNumber) -> Result<Arc<BoundColumnFamily<'_>>, StoreError> {
        self.database.column_family(shard).ok_or_else(|| StoreError::Failed(format!("shard {} is not open", shard.0)))
    }
}

impl Store for DiskStore {
    type Shard = DiskShard;

    fn open_shard(&mut self, shard: ShardNumber) -> Result<Opened<DiskShard>, StoreError> {
        if !self.progress.contains_key(&shard) {
            let created = self.database.rows.create_cf(column_family_name(shard), &self.settings.rocksdb);
            created.map_err(|error| self.database.failed(error))?;
        }
        let Progress { next_offset, true_at } = *self.progress.entry(shard).or_insert(Progress::NONE);
        Ok(Opened { rows: DiskShard::new(Arc::clone(&self.database), shard), next_offset, true_at })
    }

    fn write(&mut self, changes: Vec<ShardChanges>) -> Result<(), StoreError> {
        let row_bytes = |(key, value): &Change| key.len() + value.as_ref().map_or(0, Vec::len) + BATCH_OVERHEAD_BYTES;
        let bytes = changes.iter().flat_map(|of_shard| &of_shard.changes).map(row_bytes).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        let mut written = Vec::with_capacity(changes.len());
        for ShardChanges { shard, mut changes, next_offset, true_at } in changes {
            let column_family = self.column_family(shard)?;
            // Neighbours go into a memtable a third faster one after the other. The sort is stable: of two changes of
            // a key the later stays the later.
            changes.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (key, value) in changes {
                debug_assert!(marker::is_row_key(&key), "the row's key {key:?} is one of the store's own");
                match value {
                    Some(value) => batch.put_cf(&column_family, key, value),
                    None => batch.delete_cf(&column_family, key),
                }
            }
            let progress = Progress { next_offset, true_at };
            batch.put_cf(&column_family, marker::KEY, marker::write(progress));
            written.push((shard, progress));
        }

        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        self.database.rows.write_opt(batch, &unlogged).map_err(|error| self.database.failed(error))?;
        self.progress.extend(written);
        Ok(())
    }

    /// Large pieces become files of their own, which RocksDB takes as they are: they pass no memtable, and files of
    /// several shards are made side by side.
    fn restore(&mut self, pieces: Vec<ShardChanges>) -> Result<(), StoreError> {
        let (large, small): (Vec<_>, Vec<_>) =
            pieces.into_iter().partition(|piece| piece.changes.len() >= OWN_FILE_CHANGES_MIN);
        self.write(small)?;
        let files: Vec<Result<bulk::File, StoreError>> = std::thread::scope(|scope| {
            let database = &self.database;
            let settings = &self.settings.rocksdb;
            let workers: Vec<_> =
                large.into_iter().map(|piece| scope.spawn(|| bulk::File::write(database, settings, piece))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for file in files {
            let file = file?;
            file.ingest(&self.column_family(file.shard)?, &self.database)?;
            self.progress.insert(file.shard, file.progress);
        }
        Ok(())
    }

    fn confirm(&mut self, shards: &[ShardNumber], now: Millis) -> Result<(), StoreError> {
        let known = shards.iter().filter_map(|shard| Some((*shard, self.progress.get(shard)?.next_offset)));
        let unchanged =
            known.map(|(shard, next_offset)| ShardChanges { shard, changes: Vec::new(), next_offset, true_at: now });
        self.write(unchanged.collect())
    }

    fn wipe_shard(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        if self.progress.contains_key(&shard) {
            let dropped = self.database.rows.drop_cf(&column_family_name(shard));
            dropped.map_err(|error| self.database.failed(error))?;
            self.progress.remove(&shard);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let rows = &self.database.rows;
        let column_families = self.progress.keys().filter_map(|shard| self.database.column_family(*shard));
        column_families
            .flat_map(|column_family| {
                [LIVE_SST_FILES_SIZE, CUR_SIZE_ALL_MEM_TABLES]
                    .map(|property| rows.property_int_value_cf(&column_family, property).ok().flatten().unwrap_or(0))
            })
            .sum()
    }
}
