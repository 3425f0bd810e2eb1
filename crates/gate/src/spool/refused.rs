//! What Kafka refuses for what it is: kept beside the spool, for a human.

use std::io;

use quell_domain::uuid_text;

use super::progress::Refusal;
use super::segment::{BlockBuilder, Blocks, bytes_of};
use super::{Segment, SegmentNumber, Shared};

/// Keeps it in a file for each segment that has some, in the format of segments. It holds just what was refused of its
/// segment: whoever delivers the segment from its beginning begins the file anew.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Of the segment that had some last.
    file: Option<Segment>,
}

impl Refused {
    /// Keeps these of some blocks, and says so. They are on disk when it returns.
    ///
    /// # Errors
    /// When they cannot be written. The same must be tried again before any other.
    pub fn keep(
        &mut self,
        shared: &Shared,
        segment: SegmentNumber,
        blocks: &Blocks,
        refused: &[Refusal],
    ) -> io::Result<()> {
        let mut kept = BlockBuilder::default();
        for Refusal { index, .. } in refused {
            blocks.records().nth(*index).iter().for_each(|record| kept.push(record));
        }
        let kept = kept.finish();
        let file = match &mut self.file {
            Some(file) if file.number == segment => file,
            other => {
                let before = bytes_of(&segment.path_of_refused(&shared.options.path))?;
                let file = Segment::create_for_refused(&shared.options.path, segment)?;
                shared.shrank(before);
                shared.grew(file.bytes);
                other.insert(file)
            }
        };
        file.append_synced(&kept)?;
        shared.grew(kept.len() as u64);
        shared.metrics.refused_by_kafka(refused.len());
        let first = refused.first().and_then(|refusal| Some((refusal, blocks.records().nth(refusal.index)?)));
        if let Some((Refusal { error, .. }, record)) = first {
            tracing::error!(
                target: "quell::gate",
                segment = segment.0,
                records = refused.len(),
                key = uuid_text(&record.key),
                reason = %error,
                "kafka refuses records for good, this one first; they are set aside as *.refused"
            );
        }
        Ok(())
    }
}
