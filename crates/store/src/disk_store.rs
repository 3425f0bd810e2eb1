//! The store: opening it, writing to it, closing it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{ShardChanges, Store, StoreError};
use rocksdb::properties::{CUR_SIZE_ALL_MEM_TABLES, LIVE_SST_FILES_SIZE};
use rocksdb::{BoundColumnFamily, FlushOptions, WriteBatch, WriteOptions};

use crate::database::{Database, column_family_name};
use crate::directory::Directory;
use crate::settings::Settings;
use crate::{DiskShard, OpenError, Options, marker};

/// The rows of shards on this machine's disk.
///
/// The first byte of a row's key is never 0: such keys are the store's own.
#[derive(Debug)]
pub struct DiskStore {
    database: Arc<Database>,
    settings: Settings,
    /// Where the changelogs go on of the shards that are here, whether this instance owns them now or did once: when
    /// one comes back, only the tail of its changelog is read.
    next_offsets: BTreeMap<ShardNumber, Offset>,
}

impl DiskStore {
    /// Opens the store at `path`, making it where there is none.
    ///
    /// # Errors
    /// When it is not ours to use, or broken.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let directory = Directory::open(path, &options.group_id)?;
        let settings = Settings::new(options);
        let (database, next_offsets) = Database::open(directory, &settings.rocksdb)?;
        Ok(Self { database: Arc::new(database), settings, next_offsets })
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
            self.next_offsets.keys().map(|shard| self.column_family(*shard)).collect::<Result<Vec<_>, _>>()?;
        let column_families: Vec<_> = column_families.iter().collect();
        let flush = FlushOptions::default();
        self.database.rows.flush_cfs_opt(&column_families, &flush).map_err(|error| self.database.failed(error))
    }

    fn column_family(&self, shard: ShardNumber) -> Result<Arc<BoundColumnFamily<'_>>, StoreError> {
        self.database.column_family(shard).ok_or_else(|| StoreError(format!("shard {} is not open", shard.0)))
    }
}

impl Store for DiskStore {
    type Shard = DiskShard;

    fn open_shard(&mut self, shard: ShardNumber) -> Result<(DiskShard, Offset), StoreError> {
        if !self.next_offsets.contains_key(&shard) {
            let created = self.database.rows.create_cf(column_family_name(shard), &self.settings.rocksdb);
            created.map_err(|error| self.database.failed(error))?;
        }
        let next_offset = *self.next_offsets.entry(shard).or_insert(Offset::START);
        Ok((DiskShard::new(Arc::clone(&self.database), shard), next_offset))
    }

    fn write(&mut self, changes: Vec<ShardChanges>) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let mut next_offsets = Vec::with_capacity(changes.len());
        for ShardChanges { shard, mut changes, next_offset } in changes {
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
            batch.put_cf(&column_family, marker::KEY, marker::write(next_offset));
            next_offsets.push((shard, next_offset));
        }

        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        unlogged.set_memtable_insert_hint_per_batch(true);
        self.database.rows.write_opt(batch, &unlogged).map_err(|error| self.database.failed(error))?;
        self.next_offsets.extend(next_offsets);
        Ok(())
    }

    fn wipe_shard(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        if self.next_offsets.contains_key(&shard) {
            let dropped = self.database.rows.drop_cf(&column_family_name(shard));
            dropped.map_err(|error| self.database.failed(error))?;
            self.next_offsets.remove(&shard);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let rows = &self.database.rows;
        let column_families = self.next_offsets.keys().filter_map(|shard| self.database.column_family(*shard));
        column_families
            .flat_map(|column_family| {
                [LIVE_SST_FILES_SIZE, CUR_SIZE_ALL_MEM_TABLES]
                    .map(|property| rows.property_int_value_cf(&column_family, property).ok().flatten().unwrap_or(0))
            })
            .sum()
    }
}
