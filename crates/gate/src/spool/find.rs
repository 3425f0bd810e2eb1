//! Looking for one decision among those that are on disk.

use std::io;

use super::segment::{Next, SegmentReader, segments};
use super::{DecisionId, Record, Spool, Topic};

impl Spool {
    /// The record of a decision that was recorded here and is not yet gone to Kafka; it may be there already. Blocks,
    /// and reads all of the spool if it has to.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn find(&self, id: DecisionId) -> io::Result<Option<Vec<u8>>> {
        let directory = &self.shared.options.path;
        for (number, _) in segments(directory)? {
            let mut reader = match SegmentReader::open(directory, number) {
                Ok(reader) => reader,
                // All of it is in Kafka since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Some(readable) = self.shared.readable(&reader)? else { continue };
            loop {
                let blocks = match reader.next(readable.until)? {
                    Next::Blocks(blocks) => blocks,
                    // What is behind may be it.
                    Next::Damaged(_) => continue,
                    Next::Cut(_) | Next::End => break,
                };
                let is_it = |record: &Record<&[u8]>| record.topic == Topic::Decisions && record.key == id;
                if let Some(record) = blocks.records().find(is_it) {
                    return Ok(Some(record.value.to_vec()));
                }
            }
        }
        Ok(None)
    }
}
