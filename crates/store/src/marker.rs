//! The marker: the one row of a shard that is the store's own. It says in which layout the shard is written, up to where
//! its changelog is contained, and when that was all of it.
//!
//! It lies among the rows that it speaks of, since only what is in one column family is surely flushed together.

use quell_domain::Millis;
use quell_engine::log::Offset;

/// How the store writes a shard. To be raised whenever an older store could no longer be read.
pub const LAYOUT: u8 = 2;

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

/// How far a shard has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its changelog is contained up to here.
    pub next_offset: Offset,
    /// When that was all of it.
    pub true_at: Millis,
}

impl Progress {
    /// That of a shard that was never written.
    pub const NONE: Self = Self { next_offset: Offset::START, true_at: Millis(0) };
}

/// The marker: the layout, then the offset and the time, big-endian.
pub fn write(progress: Progress) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.extend_from_slice(&progress.next_offset.0.to_be_bytes());
    bytes.extend_from_slice(&progress.true_at.0.to_be_bytes());
    bytes
}

/// How far a shard has come. One without a marker was never written.
pub fn read(bytes: Option<&[u8]>) -> Result<Progress, MarkerError> {
    match bytes {
        None => Ok(Progress::NONE),
        Some([LAYOUT, numbers @ ..]) => {
            let (offset, rest) = numbers.split_first_chunk::<8>().ok_or(MarkerError::Broken)?;
            let true_at = rest.try_into().map_err(|_| MarkerError::Broken)?;
            let next_offset = Offset(i64::from_be_bytes(*offset));
            Ok(Progress { next_offset, true_at: Millis(i64::from_be_bytes(true_at)) })
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
        let progress = Progress { next_offset: Offset(258), true_at: Millis(3) };
        assert_eq!(write(progress), [2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_marker_says_what_was_written() {
        let progress = Progress { next_offset: Offset(i64::MAX), true_at: Millis(-1) };
        assert_eq!(read(Some(&write(progress))), Ok(progress));
        assert_eq!(read(None), Ok(Progress::NONE));
    }

    #[test]
    fn another_layout_is_told_from_a_broken_marker() {
        assert_eq!(read(Some(&[3, 9, 9])), Err(MarkerError::Layout(3)));
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
