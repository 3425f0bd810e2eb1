//! A directory that one process alone uses, and its user alone reads: the store's, and the gate's.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// A directory that is ours for as long as this lives: the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct OwnDirectory {
    _lock: File,
}

/// The directory is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("{} is in use by another process; give each its own", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// It cannot be made, or locked.
    #[error("cannot use the directory {}", path.display())]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OwnDirectory {
    /// Takes a directory, making it where there is none.
    ///
    /// # Errors
    /// When it is not to be had.
    pub fn take(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = |source| DirectoryError::Unusable { path: path.to_path_buf(), source };
        make(path).map_err(unusable)?;
        let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
        let file = file.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

/// Makes the directory if there is none. What will lie in it names consumers: it is for our own user alone. One that is
/// there is somebody's choice, and kept as it is.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Another process was faster; which of the two may use it is decided by the lock.
        Err(_) if path.is_dir() => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_one_process_own_and_one_users() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("of/the/gate");
        let own = OwnDirectory::take(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(OwnDirectory::take(&path), Err(DirectoryError::InUse { .. })));
        drop(own);
        OwnDirectory::take(&path).unwrap();
    }
}
