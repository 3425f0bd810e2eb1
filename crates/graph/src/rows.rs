//! The storage port: the committed rows of one shard, in key order.

use crate::encoding::Corrupt;

/// A row put (`Some`) or deleted (`None`), by its key.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The rows cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored is not what was written. Throw it away, and restore from the changelog.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// An operator must act: a broken disk.
    #[error("cannot read from the store: {0}")]
    Failed(String),
}

impl ReadError {
    pub(crate) fn corrupt() -> Self {
        Self::from(Corrupt)
    }
}

impl From<Corrupt> for ReadError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Damaged(corrupt.to_string())
    }
}

/// The committed rows of one shard. Reads only: changes go out of the graph as [`Change`]s and come back as rows once
/// they are committed.
pub trait Rows {
    /// The row of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The rows of many keys, answered in the order of the keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, ReadError>;

    /// Up to `limit` rows with keys in `from..until`, in key order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, ReadError>;
}
