//! Why a store cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::marker::LAYOUT;

/// Why a store cannot be opened. Each is for the operator, and says what to do; none passes by itself.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else stands at the path.
    #[error("store at {} is not a directory: use another store.path", path.display())]
    NotADirectory {
        /// `store.path`
        path: PathBuf,
    },
    /// Its rows are true for the topics and offsets of another group.
    #[error("store at {} belongs to group {owner}, not {group}: use another store.path or wipe it", path.display())]
    OtherGroup {
        /// `store.path`
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// `kafka.group_id`
        group: String,
    },
    /// Another process has it open.
    #[error("store at {} is in use by another process: stop that one or use another store.path", path.display())]
    InUse {
        /// `store.path`
        path: PathBuf,
    },
    /// There are rows, but nothing says whose.
    #[error("store at {} has rows and no readable instance file: use another store.path or wipe it", path.display())]
    Nameless {
        /// `store.path`
        path: PathBuf,
    },
    /// A version of Quell after this one wrote it.
    #[error("store at {} has layout {found}, newer than {LAYOUT}: run the newer quell, or wipe it", path.display())]
    NewerLayout {
        /// `store.path`
        path: PathBuf,
        /// Its layout.
        found: u8,
    },
    /// It holds what no version of Quell wrote.
    #[error("store at {} is damaged: wipe it to restore from the changelog", path.display())]
    Damaged {
        /// `store.path`
        path: PathBuf,
        /// How it shows.
        #[source]
        cause: Option<rocksdb::Error>,
    },
    /// Nothing more can be written there.
    #[error("store at {} has no space left on its disk: make room", path.display())]
    DiskFull {
        /// `store.path`
        path: PathBuf,
    },
    /// The directory or its files cannot be used: permissions, a broken disk.
    #[error("store at {} cannot be used", path.display())]
    Directory {
        /// `store.path`
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// RocksDB cannot open the rows.
    #[error("store at {} cannot be opened: if its disk is in order, wipe it to restore from the changelog", path.display())]
    Rows {
        /// `store.path`
        path: PathBuf,
        /// What RocksDB says.
        #[source]
        cause: rocksdb::Error,
    },
}

impl OpenError {
    /// What the system says about the directory at `path`.
    pub(crate) fn directory(path: &Path, cause: io::Error) -> Self {
        let path = path.to_path_buf();
        match cause.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Self::NotADirectory { path },
            io::ErrorKind::StorageFull => Self::DiskFull { path },
            _ => Self::Directory { path, cause },
        }
    }

    /// What RocksDB says about the rows of the store at `path`.
    pub(crate) fn rows(path: &Path, cause: rocksdb::Error) -> Self {
        let path = path.to_path_buf();
        if is_disk_full(&cause) {
            Self::DiskFull { path }
        } else if is_damage(&cause) {
            Self::Damaged { path, cause: Some(cause) }
        } else {
            Self::Rows { path, cause }
        }
    }

    /// Whether throwing the rows away and restoring them from the changelog mends it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Whether RocksDB found something else than what it had written: a checksum that does not fit, or a file that is gone.
pub(crate) fn is_damage(error: &rocksdb::Error) -> bool {
    error.kind() == rocksdb::ErrorKind::Corruption || error.as_ref().contains("No such file or directory")
}

/// Whether RocksDB met a full disk. It tells only by its message, which ends in the system's.
pub(crate) fn is_disk_full(error: &rocksdb::Error) -> bool {
    error.as_ref().contains("No space left on device")
}
