//! Where each key was set: in the file, or in the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::file::FileKind;

/// Where the keys were set.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Which file.
    pub kind: &'static FileKind,
    file: PathBuf,
    /// By key: the environment's variable that overrides it.
    variables: BTreeMap<String, String>,
}

impl Sources {
    /// All keys from a file.
    pub fn new(kind: &'static FileKind, file: &Path) -> Self {
        Self { kind, file: file.to_owned(), variables: BTreeMap::new() }
    }

    /// Notes that a variable overrides a key, which is `section.name`.
    pub fn overridden(&mut self, key: String, variable: String) {
        self.variables.insert(key, variable);
    }

    /// A path that is relative to the file's directory, as one that stands in it.
    pub fn beside_the_file(&self, path: &str) -> PathBuf {
        self.file.parent().map_or_else(|| PathBuf::from(path), |directory| directory.join(path))
    }

    /// An error at a key.
    pub fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let place = match self.variables.get(key) {
            Some(variable) => variable.clone(),
            None => format!("{}: {key}", self.file.display()),
        };
        ConfigError::Key { place, message: message.into() }
    }
}
