//! What is wrong with a configuration, and where.

use std::io;
use std::path::PathBuf;

use quell_clients::PropertyError;

use super::file::FileKind;

/// A configuration that cannot be used. One line, which says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody said where it is, and it is not where it is looked for.
    #[error("there is no {} here; make one by `{} > {}`, or name yours by --config", .0.name, .0.defaults_by, .0.name)]
    NoneHere(&'static FileKind),
    /// The file, or one that it names, cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{}: {message}", path.display())]
    NotToml {
        /// Which.
        path: PathBuf,
        /// Where, and why.
        message: String,
    },
    /// A key cannot be what it is.
    #[error("{place}: {message}")]
    Key {
        /// Where it was set: the key in the file, or the environment's variable.
        place: String,
        /// Why.
        message: String,
    },
    /// A property of librdkafka is not the user's to set.
    #[error(transparent)]
    Reserved(#[from] PropertyError),
}
