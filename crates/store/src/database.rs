//! RocksDB as the store uses it: a column family per shard, in a directory that stays locked for as long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use quell_domain::ShardNumber;
use quell_engine::store::StoreError;
use rocksdb::{BoundColumnFamily, DBWithThreadMode, MultiThreaded};

use crate::OpenError;
use crate::directory::Directory;
use crate::marker::{self, LAYOUT, MarkerError, Progress};
use crate::open_error::{is_damage, is_disk_full};

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
    /// Opens what is in the directory, or makes it. Returns, too, how far each shard has come that has ever lived here.
    /// One that an earlier version wrote in another layout is thrown away: the changelog has all of it.
    pub fn open(
        directory: Directory,
        settings: &rocksdb::Options,
    ) -> Result<(Self, BTreeMap<ShardNumber, Progress>), OpenError> {
        let path = directory.path().to_path_buf();
        let (rows, names) = open_rows(&directory, settings).map_err(|cause| OpenError::rows(&path, cause))?;
        let database = Self { rows, directory };
        let mut progress = BTreeMap::new();
        for shard in names.iter().filter_map(|name| shard_of(name)) {
            match database.read_marker(shard)? {
                Some(known) => _ = progress.insert(shard, known),
                None => {
                    let dropped = database.rows.drop_cf(&column_family_name(shard));
                    dropped.map_err(|cause| OpenError::rows(&path, cause))?;
                }
            }
        }
        Ok((database, progress))
    }

    /// The shard's column family, if it has one.
    pub fn column_family(&self, shard: ShardNumber) -> Option<Arc<BoundColumnFamily<'_>>> {
        self.rows.cf_handle(&column_family_name(shard))
    }

    /// What an operator is told about a write that failed.
    pub fn failed(&self, error: rocksdb::Error) -> StoreError {
        let path = self.directory.path().display();
        if is_disk_full(&error) {
            StoreError::Failed(format!("no space left on the disk of {path}: make room"))
        } else if is_damage(&error) {
            StoreError::Damaged(error.into_string())
        } else {
            StoreError::Failed(error.into_string())
        }
    }

    /// None for a shard in an older layout.
    fn read_marker(&self, shard: ShardNumber) -> Result<Option<Progress>, OpenError> {
        let path = || self.directory.path().to_path_buf();
        let damaged = || OpenError::Damaged { path: path(), cause: None };
        let column_family = self.column_family(shard).ok_or_else(damaged)?;
        let bytes = self.rows.get_cf(&column_family, marker::KEY).map_err(|cause| OpenError::rows(&path(), cause))?;
        match marker::read(bytes.as_deref()) {
            Ok(progress) => Ok(Some(progress)),
            Err(MarkerError::Layout(found)) if found > LAYOUT => Err(OpenError::NewerLayout { path: path(), found }),
            Err(MarkerError::Layout(_)) => Ok(None),
            Err(MarkerError::Broken) => Err(damaged()),
        }
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
