//! The marker: the one row of a shard that is the store's own. It says in which layout the shard is written and up to
//! where its changelog is contained.
//!
//! It lies among the rows that it speaks of, since only what is in one column family is surely flushed together.

use quell_engine::log::Offset;

/// How the store writes a shard. To be raised whenever an older store could no longer be read.
pub const LAYOUT: u8 = 1;

/// The marker's key. The keys of rows never begin with its byte, so scans can leave it out.
pub const KEY: [u8; 1] = [0];

/// The first key that can be a row's.
pub const FIRST_ROW_KEY: [u8; 1] = [1];

/// Whether a key can be a row's.
pub fn is_row_key(key: &[u8]) -> bool {
    key >= FIRST_ROW_KEY.as_slice()
}

/// What a marker cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// The shard is in another layout.
    #[error("layout {0} where {LAYOUT} is expected")]
    Layout(u8),
    /// The disk gave back something else than what was written.
    #[error("a broken marker")]
    Broken,
}

/// The marker of a shard whose changelog is contained up to an offset: the layout, then the offset, big-endian.
pub fn write(next_offset: Offset) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.extend_from_slice(&next_offset.0.to_be_bytes());
    bytes
}

/// Where a shard's changelog goes on. A shard without a marker was never written.
pub fn read(bytes: Option<&[u8]>) -> Result<Offset, MarkerError> {
    match bytes {
        None => Ok(Offset::START),
        Some([LAYOUT, offset @ ..]) => {
            let offset = offset.try_into().map_err(|_| MarkerError::Broken)?;
            Ok(Offset(i64::from_be_bytes(offset)))
        }
        Some([layout, ..]) => Err(MarkerError::Layout(*layout)),
        Some([]) => Err(MarkerError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_marker_stay() {
        assert_eq!(write(Offset(258)), [1, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_marker_says_what_was_written() {
        assert_eq!(read(Some(&write(Offset(i64::MAX)))), Ok(Offset(i64::MAX)));
        assert_eq!(read(None), Ok(Offset::START));
    }

    #[test]
    fn another_layout_is_told_from_a_broken_marker() {
        assert_eq!(read(Some(&[2, 9, 9])), Err(MarkerError::Layout(2)));
        assert_eq!(read(Some(&[LAYOUT, 0])), Err(MarkerError::Broken));
        assert_eq!(read(Some(&[])), Err(MarkerError::Broken));
    }

    #[test]
    fn no_key_of_a_row_is_the_markers() {
        assert!(!is_row_key(&[]));
        assert!(!is_row_key(&KEY));
        assert!(!is_row_key(&[0, 255]));
        assert!(is_row_key(&FIRST_ROW_KEY));
        assert!(is_row_key(&[1, 0]));
        assert!(is_row_key(&[255]));
    }
}
