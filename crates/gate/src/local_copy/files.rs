//! Reading one record of the copy, while it is written to, or anew.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError, RwLock};

use quell_decision::{Change, FullRecords, Location, State};

use super::block::{RECORD_HEADER_BYTES, record_checksum};

/// Below the generation, in a location.
const PLACE_BITS: u32 = 40;

/// Most records are no longer: one read has them whole.
const FIRST_READ_BYTES: usize = 512;

/// Where a record of a generation is.
pub(super) fn location(generation: u8, place: u64) -> Option<Location> {
    if place >> PLACE_BITS != 0 {
        return None;
    }
    Location::new(u64::from(generation) << PLACE_BITS | place)
}

/// Of which generation a location is.
pub(super) fn generation_of(location: Location) -> u8 {
    u8::try_from(location.get() >> PLACE_BITS).unwrap_or(0)
}

/// The files of the copy: none before it is open, then one, and while it is written anew two.
#[derive(Debug, Default)]
pub struct CopyFiles(RwLock<Vec<(u8, Arc<File>)>>);

impl CopyFiles {
    pub(super) fn add(&self, generation: u8, file: Arc<File>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((generation, file));
    }

    pub(super) fn only(&self, generation: u8, file: Arc<File>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = vec![(generation, file)];
    }

    pub(super) fn change(&self, at: Location) -> Option<Change> {
        let generation = generation_of(at);
        let files = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let file = files.iter().find(|(known, _)| *known == generation).map(|(_, file)| Arc::clone(file))?;
        drop(files);
        let place = at.get() & ((1 << PLACE_BITS) - 1);
        let mut first = [0; FIRST_READ_BYTES];
        let read = file.read_at(&mut first, place).ok()?;
        let (header, rest) = first.get(..read)?.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let [a, b, c, d, checksum @ ..] = *header;
        let bytes = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let mut more = Vec::new();
        let record = match rest.get(..bytes) {
            Some(record) => record,
            None if place + bytes as u64 > file.metadata().ok()?.len() => return None,
            None => {
                more.resize(bytes, 0);
                file.read_exact_at(&mut more, place + RECORD_HEADER_BYTES as u64).ok()?;
                &more
            }
        };
        if record_checksum(record) != checksum {
            return None;
        }
        Change::decode(record).ok()
    }
}

impl FullRecords for CopyFiles {
    fn read(&self, at: Location) -> Option<State> {
        match self.change(at)? {
            Change::Holds(state) => Some(state),
            Change::Gone(_) => None,
        }
    }
}
