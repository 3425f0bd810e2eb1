//! What the two files have in common: how they are found, read, and overridden.

use std::path::Path;
use std::{fs, io};

use quell_domain::toml_error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use super::error::ConfigError;
use super::secrets::Secrets;
use super::sources::Sources;
use super::{environment, keys};

/// What a file is called, and what overrides it.
#[derive(Debug)]
pub struct FileKind {
    /// Its name, under which it is looked for if nobody says where it is.
    pub name: &'static str,
    /// How the variables that override it begin.
    pub prefix: &'static str,
    /// How those begin that begin so, too, and override another file.
    pub prefix_of_another: Option<&'static str>,
    /// The command that prints one to begin with.
    pub defaults_by: &'static str,
    /// Every key of the other file.
    pub known_to_the_other: fn() -> Table,
    /// What to say of one of its sections here.
    pub if_the_other_is_meant: &'static str,
}

impl FileKind {
    /// What follows the prefix in a variable of this file's.
    pub fn own<'a>(&self, variable: &'a str) -> Option<&'a str> {
        let is_anothers = self.prefix_of_another.is_some_and(|prefix| variable.starts_with(prefix));
        variable.strip_prefix(self.prefix).filter(|_| !is_anothers)
    }
}

/// A file of configuration as it is written. An empty text is a key that is not set.
pub trait ConfigFile: Default + Serialize + DeserializeOwned {
    /// Which one.
    const KIND: &'static FileKind;

    /// What holds, once every key is checked.
    type Resolved;

    /// Checks every key.
    ///
    /// # Errors
    /// At the first that cannot be what it is.
    fn resolve(&self, sources: &Sources) -> Result<Self::Resolved, ConfigError>;

    /// What must not be shown.
    fn secrets(&mut self) -> Secrets<'_>;

    /// Every key with its default, as a table of tables: what a key may be called, and of what kind its value is.
    fn known_keys() -> Table {
        Table::try_from(Self::default()).unwrap_or_default()
    }
}

/// A configuration as it is written, with what the environment overrides.
#[derive(Clone, Debug)]
pub struct Written<F> {
    /// As it is written.
    pub raw: F,
    sources: Sources,
}

impl<F: ConfigFile> Written<F> {
    /// Reads the file, and the environment on top of it.
    ///
    /// # Errors
    /// When the file is missing, or a key is unknown or of the wrong kind.
    pub fn read(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(F::KIND.name));
        let text = fs::read_to_string(file).map_err(|source| match path {
            None if source.kind() == io::ErrorKind::NotFound => ConfigError::NoneHere(F::KIND),
            _ => ConfigError::Unreadable { path: file.to_owned(), source },
        })?;
        let not_toml = |error| ConfigError::NotToml { path: file.to_owned(), message: toml_error(&text, &error) };
        let mut table: Table = toml::from_str(&text).map_err(not_toml)?;
        let (known, mut sources) = (F::known_keys(), Sources::new(F::KIND, file));
        keys::check(&table, &known, &sources)?;
        environment::apply(variables, &known, &mut table, &mut sources)?;
        let raw = table.try_into().map_err(not_toml)?;
        Ok(Self { raw, sources })
    }

    /// What holds.
    ///
    /// # Errors
    /// When a value cannot be what it is.
    pub fn resolve(&self) -> Result<F::Resolved, ConfigError> {
        self.raw.resolve(&self.sources)
    }
}

/// This process' environment, as far as it is text.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
