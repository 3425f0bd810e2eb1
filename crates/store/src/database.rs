//! RocksDB as the store uses it: a column family per shard, in a directory that stays locked for as long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::StoreError;
use rocksdb::{BoundColumnFamily, DBWithThreadMode, MultiThreaded};

use crate::OpenError;
use crate::directory::Directory;
use crate::marker::{self, LAYOUT, MarkerError};
use crate::open_error::is_disk_full;

type RocksDb = DBWithThreadMode<MultiThreaded>;

/// RocksDB makes it last: with it there is something to open.
const CURRENT_FILE: &str = "CURRENT";

const COLUMN_FAMILY_PREFIX: &str = "shard-";

/// What the store and its shards share.
pub struct Database {
    /// Stands before the directory, so that RocksDB is closed before the lock is let go.
    pub rows: RocksDb,
    pub directory: Directory,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows at {}", self.directory.rows().display())
    }
}

impl Database {
    /// Opens what is in the directory, or makes it. Returns, too, where the changelog of each shard goes on that has
    /// ever lived here.
    pub fn open(
        directory: Directory,
        settings: &rocksdb::Options,
    ) -> Result<(Self, BTreeMap<ShardNumber, Offset>), OpenError> {
        let path = directory.path().to_path_buf();
        let (rows, names) = open_rows(&directory, settings).map_err(|cause| OpenError::rows(&path, cause))?;
        let database = Self { rows, directory };
        let mut next_offsets = BTreeMap::new();
        for shard in names.iter().filter_map(|name| shard_of(name)) {
            next_offsets.insert(shard, database.read_marker(shard)?);
        }
        Ok((database, next_offsets))
    }

    /// The shard's column family, if it has one.
    pub fn column_family(&self, shard: ShardNumber) -> Option<Arc<BoundColumnFamily<'_>>> {
        self.rows.cf_handle(&column_family_name(shard))
    }

    /// What an operator is told about a write that failed.
    pub fn failed(&self, error: rocksdb::Error) -> StoreError {
        let path = self.directory.path().display();
        StoreError(if is_disk_full(&error) {
            format!("no space left on the disk of {path}: make room")
        } else {
            error.into_string()
        })
    }

    fn read_marker(&self, shard: ShardNumber) -> Result<Offset, OpenError> {
        let path = || self.directory.path().to_path_buf();
        let column_family = self.column_family(shard).ok_or_else(|| OpenError::Damaged { path: path() })?;
        let bytes = self.rows.get_cf(&column_family, marker::KEY).map_err(|cause| OpenError::rows(&path(), cause))?;
        marker::read(bytes.as_deref()).map_err(|error| match error {
            MarkerError::Layout(found) if found > LAYOUT => OpenError::NewerLayout { path: path(), found },
            MarkerError::Layout(found) => OpenError::OlderLayout { path: path(), found },
            MarkerError::Broken => OpenError::Damaged { path: path() },
        })
    }
}

/// The name of a shard's column family.
pub fn column_family_name(shard: ShardNumber) -> String {
    format!("{COLUMN_FAMILY_PREFIX}{}", shard.0)
}

fn shard_of(column_family_name: &str) -> Option<ShardNumber> {
    column_family_name.strip_prefix(COLUMN_FAMILY_PREFIX)?.parse().ok().map(ShardNumber)
}

/// RocksDB, and the names of its column families.
fn open_rows(directory: &Directory, settings: &rocksdb::Options) -> Result<(RocksDb, Vec<String>), rocksdb::Error> {
    let path = directory.rows();
    let names = match path.join(CURRENT_FILE).exists() {
        true => RocksDb::list_cf(settings, &path)?,
        false => Vec::new(),
    };
    // Each with our settings: without options of its own a column family would be opened with the defaults.
    let column_families = names.iter().map(|name| (name.clone(), settings.clone()));
    let rows = RocksDb::open_cf_with_opts(settings, &path, column_families)?;
    Ok((rows, names))
}
