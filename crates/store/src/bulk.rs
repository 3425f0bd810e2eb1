//! A piece of a changelog as a file that RocksDB takes as it is.

use std::path::PathBuf;
use std::sync::Arc;

use quell_domain::ShardNumber;
use quell_engine::store::{ShardChanges, StoreError};
use rocksdb::{BoundColumnFamily, IngestExternalFileOptions, SstFileWriter};

use crate::database::Database;
use crate::marker::{self, Progress};

/// A finished file: a shard's changes, and the place in its changelog up to which they are true. RocksDB takes it whole
/// or not at all.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    pub shard: ShardNumber,
    pub progress: Progress,
}

impl File {
    /// Writes a shard's changes, of which there is at least one.
    pub fn write(database: &Database, settings: &rocksdb::Options, piece: ShardChanges) -> Result<Self, StoreError> {
        let ShardChanges { shard, mut changes, next_offset, true_at } = piece;
        let progress = Progress { next_offset, true_at };
        let path = database.directory.unfinished(&format!("restoring-{}.sst", shard.0));
        let file = Self { path, shard, progress };
        // A file has each key once, in order; the sort is stable, so the last of a key is the latest.
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        // A crash may have left one that is a part of the shard already, under another name.
        match std::fs::remove_file(&file.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Failed(format!("{}: {error}", file.path.display())));
            }
            _ => {}
        }
        let fill = || {
            let mut writer = SstFileWriter::create(settings);
            writer.open(&file.path)?;
            writer.put(marker::KEY, marker::write(progress))?;
            for (number, (key, value)) in changes.iter().enumerate() {
                debug_assert!(marker::is_row_key(key), "the row's key {key:?} is one of the store's own");
                if changes.get(number + 1).is_some_and(|(next, _)| next == key) {
                    continue;
                }
                match value {
                    Some(value) => writer.put(key, value)?,
                    None => writer.delete(key)?,
                }
            }
            writer.finish()
        };
        fill().map_err(|error| database.failed(error))?;
        Ok(file)
    }

    /// Makes it a part of the shard: what it says wins over what is there.
    pub fn ingest(&self, column_family: &Arc<BoundColumnFamily<'_>>, database: &Database) -> Result<(), StoreError> {
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let taken = database.rows.ingest_external_file_cf_opts(column_family, &options, vec![&self.path]);
        taken.map_err(|error| database.failed(error))
    }
}
