//! The storage port: the committed rows of one shard, in key order.

/// A row put (`Some`) or deleted (`None`), by its key.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// The rows cannot be read; nothing can be computed until an operator has acted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read from the store: {0}")]
pub struct ReadError(pub String);

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
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError>;
}
