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

/// Takes in a row that was asked for: the place of its key, and its value.
pub type Taker<'a> = dyn FnMut(usize, &[u8]) -> Result<(), ReadError> + 'a;

/// The committed rows of one shard. Reads only: changes go out of the graph as [`Change`]s and come back as rows once
/// they are committed.
pub trait Rows {
    /// The row of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Gives the rows of many keys, which ascend, to `take`: each with the place of its key. Those of which there is no row
    /// are left out.
    ///
    /// # Errors
    /// When the store cannot be read, or `take` fails.
    fn get_many(&self, keys: &[Vec<u8>], take: &mut Taker<'_>) -> Result<(), ReadError>;

    /// Up to `limit` rows with keys in `from..until`, in key order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, ReadError>;
}
