//! The directory of a store: whose it is, what it is called, and that only one process uses it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use quell_directory::{DirectoryError, OwnDirectory};

use crate::OpenError;

const INSTANCE_FILE: &str = "instance";
const INSTANCE_FILE_UNFINISHED: &str = "instance.new";
const ROWS_DIRECTORY: &str = "rows";

/// A directory that is ours for as long as this lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    instance_name: String,
    _own: OwnDirectory,
}

impl Directory {
    /// Takes the directory at `path` for a group, making it where there is none.
    ///
    /// # Errors
    /// When it cannot be used, or is not this group's.
    pub fn open(path: &Path, group_id: &str) -> Result<Self, OpenError> {
        // RocksDB has a lock, too, but it comes after the instance file was read, and its error is hard to tell from
        // others.
        let own = OwnDirectory::take(path).map_err(|error| match error {
            DirectoryError::InUse { path } => OpenError::InUse { path },
            DirectoryError::Unusable { path, source } => OpenError::directory(&path, source),
        })?;
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
        Ok(Self { path: path.to_path_buf(), instance_name: instance.name, _own: own })
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
