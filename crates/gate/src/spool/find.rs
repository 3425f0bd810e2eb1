//! Looking for one decision among those that are on disk.

use std::io;

use super::segment::{Next, SegmentReader, segments};
use super::{DecisionId, Record, Spool, Tail, Topic};

impl Spool {
    /// The record of a decision that was recorded here and is not yet gone to Kafka; it may be there already. Blocks, and
    /// reads all of the spool if it has to.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn find(&self, id: DecisionId) -> io::Result<Option<Vec<u8>>> {
        let directory = &self.shared.options.path;
        let Tail { segment: last, bytes: on_disk } = self.shared.tail();
        for (number, bytes) in segments(directory)?.into_iter().filter(|(number, _)| *number <= last) {
            let mut reader = match SegmentReader::open(directory, number) {
                Ok(reader) => reader,
                // All of it is in Kafka since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let until = if number == last { on_disk } else { bytes };
            while let Next::Block(block) = reader.next(until)? {
                let is_it = |record: &Record<&[u8]>| record.topic == Topic::Decisions && record.key == id;
                if let Some(record) = block.records().find(is_it) {
                    return Ok(Some(record.value.to_vec()));
                }
            }
        }
        Ok(None)
    }
}
