//! The directory of a store: whose it is, what it is called, and that only one process uses it.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::OpenError;

const INSTANCE_FILE: &str = "instance";
const INSTANCE_FILE_UNFINISHED: &str = "instance.new";
const LOCK_FILE: &str = "lock";
const ROWS_DIRECTORY: &str = "rows";

/// A directory that is ours for as long as this lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    instance_name: String,
    /// The system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Directory {
    /// Takes the directory at `path` for a group, making it where there is none.
    ///
    /// # Errors
    /// When it cannot be used, or is not this group's.
    pub fn open(path: &Path, group_id: &str) -> Result<Self, OpenError> {
        make(path).map_err(|cause| OpenError::directory(path, cause))?;
        let lock = lock(path)?;
        let instance = match Instance::read(path).map_err(|cause| OpenError::directory(path, cause))? {
            Some(instance) => instance,
            None if path.join(ROWS_DIRECTORY).exists() => {
                return Err(OpenError::Nameless { path: path.to_path_buf() });
            }
            None => Instance::create(path, group_id).map_err(|cause| OpenError::directory(path, cause))?,
        };
        if instance.group_id != group_id {
            return Err(OpenError::OtherGroup {
                path: path.to_path_buf(),
                owner: instance.group_id,
                group: group_id.to_owned(),
            });
        }
        Ok(Self { path: path.to_path_buf(), instance_name: instance.name, _lock: lock })
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where RocksDB keeps the rows.
    pub fn rows(&self) -> PathBuf {
        self.path.join(ROWS_DIRECTORY)
    }

    /// Where something is written that is to be moved to its place; on the same file system.
    pub fn unfinished(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory's name for its life.
    pub fn instance_name(&self) -> &str {
        &self.instance_name
    }
}

/// Makes the directory if there is none. What will lie in it is who is linked to whom: it is for our own user alone. One
/// that is there is somebody's choice, and kept as it is.
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

/// RocksDB has a lock, too, but it comes after the instance file was read, and its error is hard to tell from others.
fn lock(path: &Path) -> Result<File, OpenError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK_FILE))
        .map_err(|cause| OpenError::directory(path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_path_buf() }),
        Err(TryLockError::Error(cause)) => Err(OpenError::directory(path, cause)),
    }
}

/// What the instance file says: the name in its first line, the group in what follows.
#[derive(Debug, PartialEq, Eq)]
struct Instance {
    name: String,
    group_id: String,
}

impl Instance {
    /// None if there is no file, or not a whole one: a group could not be told from it.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(path.join(INSTANCE_FILE)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, group_id) = text.strip_suffix('\n')?.split_once('\n')?;
        Some(Self { name: name.to_owned(), group_id: group_id.to_owned() })
    }

    /// Whole and on the disk before anything else is: a name that a crash could change would leave the transactions of
    /// the one before it open.
    fn create(path: &Path, group_id: &str) -> io::Result<Self> {
        let instance = Self { name: random_name()?, group_id: group_id.to_owned() };
        let unfinished = path.join(INSTANCE_FILE_UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(format!("{}\n{}\n", instance.name, instance.group_id).as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path.join(INSTANCE_FILE))?;
        File::open(path)?.sync_all()?;
        Ok(instance)
    }
}

/// 16 hex digits: no two instances of a group share a name by chance.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(String::new(), |mut name, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(name, "{byte:02x}");
        name
    }))
}
