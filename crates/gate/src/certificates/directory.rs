//! The directory of keys: a file for each, `subject.jwk` for what subjects are hashed with, any other `*.jwk` for a key
//! that signs. The same on every gate of a deployment.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use quell_certificate::{KeyFileError, SigningKey, SubjectSecret};

use super::Keys;

const SUFFIX: &str = ".jwk";
const SUBJECT: &str = "subject.jwk";

/// Whoever can read a key can sign.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Where the keys are. `keys.path`
#[derive(Clone, Debug)]
pub struct KeyDirectory(PathBuf);

/// The keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The system does not let us.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no key: none of them is taken.
    #[error("{}: {source}; take it away, or put back what it was", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// What there was is gone: somebody is at it, or has lost it.
    #[error("{}: there is no {what} in it any more; put back what was there", path.display())]
    Lost {
        /// Where.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

impl KeyDirectory {
    /// The keys in a directory, which need not be there.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All keys, or none.
    ///
    /// # Errors
    /// When the directory, or any of its keys, cannot be read.
    pub fn read(&self) -> Result<Keys, KeysError> {
        let mut keys = Vec::new();
        let mut subject_secret = None;
        for entry in fs::read_dir(&self.0).map_err(io_error(&self.0))? {
            let path = entry.map_err(io_error(&self.0))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') || !name.ends_with(SUFFIX) {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(io_error(&path))?;
            let not_a_key = |source| KeysError::NotAKey { path: path.clone(), source };
            if name == SUBJECT {
                subject_secret = Some(SubjectSecret::parse(&text).map_err(not_a_key)?);
            } else {
                keys.push(SigningKey::parse(&text).map_err(not_a_key)?);
            }
        }
        Ok(Keys { ring: keys.into_iter().collect(), subject_secret })
    }

    /// The same, for whoever holds to some: keys that are gone, all of them or what subjects are hashed with, are not
    /// taken for a deployment without any.
    ///
    /// # Errors
    /// When they cannot be read, or are gone.
    pub fn read_after(&self, held: &Keys) -> Result<Keys, KeysError> {
        let keys = self.read()?;
        let lost = |what| KeysError::Lost { path: self.0.clone(), what };
        if keys.ring.is_empty() && !held.ring.is_empty() {
            return Err(lost("key that signs"));
        }
        if keys.subject_secret.is_none() && held.subject_secret.is_some() {
            return Err(lost(SUBJECT));
        }
        Ok(keys)
    }

    /// The same; without a directory there are no keys.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_if_there(&self) -> Result<Keys, KeysError> {
        match self.read() {
            Err(KeysError::Io { path, source }) if path == self.0 && source.kind() == io::ErrorKind::NotFound => {
                Ok(Keys::default())
            }
            read => read,
        }
    }

    /// Adds a key. Whoever reads the directory meanwhile sees all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, key: &SigningKey) -> Result<(), KeysError> {
        self.write(&format!("key-{}{SUFFIX}", key.id()), &key.reveal())
    }

    /// Adds what subjects are hashed with.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_subject_secret(&self, secret: &SubjectSecret) -> Result<(), KeysError> {
        self.write(SUBJECT, &secret.reveal())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), KeysError> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.0).map_err(io_error(&self.0))?;
        let path = self.0.join(name);
        // A name of its own: what a crash has left, or another makes just now, is in nobody's way.
        let number = getrandom::u64().map_err(|error| io_error(&path)(error.into()))?;
        let unfinished = self.0.join(format!(".{name}.{number:016x}.new"));
        let written = || {
            let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|error| {
            // Half of a key is of no use, and secret.
            drop(fs::remove_file(&unfinished));
            io_error(&path)(error)
        })
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    |source| KeysError::Io { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::os::unix::fs::PermissionsExt as _;

    use quell_domain::Millis;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::new(&[seed; 32], Millis(1), Millis(2))
    }

    #[test]
    fn what_was_added_is_read_and_nobody_else_can() {
        let dir = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(dir.path().join("gate/keys"));
        assert!(directory.read().is_err() && directory.read_if_there().unwrap().ring.is_empty());
        directory.add(&key(1)).unwrap();
        directory.add(&key(2)).unwrap();
        directory.add_subject_secret(&SubjectSecret::new([3; 32])).unwrap();
        let keys = directory.read().unwrap();
        assert_eq!(keys.ring.keys(Millis(5)).count(), 2);
        assert_eq!(keys.subject_secret, Some(SubjectSecret::new([3; 32])));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory.path()), 0o700);
        for entry in fs::read_dir(directory.path()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn one_file_that_is_no_key_is_named_and_nothing_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(dir.path().to_owned());
        directory.add(&key(1)).unwrap();
        fs::write(dir.path().join("README"), "whatever").unwrap();
        fs::write(dir.path().join(".half.jwk.new"), "{").unwrap();
        assert!(directory.read().is_ok());
        fs::write(dir.path().join("other.jwk"), "{").unwrap();
        let said = directory.read().unwrap_err().to_string();
        assert!(said.contains("other.jwk: it is not a key"), "{said}");
    }

    #[test]
    fn what_a_crash_has_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(dir.path().to_owned());
        for left in [".subject.jwk.new".to_owned(), format!(".key-{}.jwk.new", key(1).id())] {
            fs::write(dir.path().join(left), "").unwrap();
        }
        directory.add_subject_secret(&SubjectSecret::new([3; 32])).unwrap();
        directory.add(&key(1)).unwrap();
        assert!(!directory.read().unwrap().ring.is_empty());
    }

    #[test]
    fn keys_that_are_gone_are_not_none() {
        let dir = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(dir.path().to_owned());
        let none = directory.read_after(&Keys::default()).unwrap();
        assert!(none.ring.is_empty());
        directory.add(&key(1)).unwrap();
        let without_secret = directory.read_after(&none).unwrap();
        directory.add_subject_secret(&SubjectSecret::new([3; 32])).unwrap();
        let held = directory.read_after(&without_secret).unwrap();
        fs::remove_file(dir.path().join(SUBJECT)).unwrap();
        assert!(directory.read_after(&held).unwrap_err().to_string().contains("no subject.jwk in it any more"));
        assert!(directory.read_after(&without_secret).is_ok());
        fs::remove_file(dir.path().join(format!("key-{}.jwk", key(1).id()))).unwrap();
        assert!(directory.read_after(&held).unwrap_err().to_string().contains("no key that signs in it any more"));
    }
}
