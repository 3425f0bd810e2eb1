//! The thread that writes the spool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quell_telemetry::gate::{GateEvent as _, SpoolStalled};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::segment::BlockBuilder;
use super::{Record, Segment, SegmentNumber, Shared, Tail};

/// A segment is removed as a whole: small ones give their room back early.
const SEGMENTS_AT_LEAST: u64 = 8;

/// And beyond this size nothing is won.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;

/// What is written at once at most.
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// How long to wait before a full or failing disk is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// What is to be recorded, and whom to tell.
#[derive(Debug)]
pub(super) struct Entry {
    pub records: Vec<Record>,
    pub done: oneshot::Sender<()>,
}

/// Nothing came before what is there had to be on disk.
struct Elapsed;

/// Writes what comes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    entries: mpsc::Receiver<Entry>,
    /// None after a failure, until a new one can be begun.
    segment: Option<Segment>,
    next: SegmentNumber,
    /// By when what was answered has to be on disk; none while all of it is.
    sync_by: Option<Instant>,
    /// For the time until then.
    runtime: Runtime,
    is_stalled: bool,
}

impl Writer {
    pub fn begin(shared: Arc<Shared>, first: SegmentNumber, entries: mpsc::Receiver<Entry>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let mut writer =
            Self { shared, entries, segment: None, next: first, sync_by: None, runtime, is_stalled: false };
        writer.begin_segment()?;
        Ok(writer)
    }

    /// Until nobody can record any more.
    pub fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let first = match self.next_entry() {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(Elapsed) => {
                    self.sync();
                    continue;
                }
            };
            let mut bytes = bytes_of(&first);
            group.push(first);
            // B1: all that came while the disk was busy is written at once; none waits for more to come.
            while bytes < BLOCK_BYTES_MAX {
                let Ok(entry) = self.entries.try_recv() else { break };
                bytes += bytes_of(&entry);
                group.push(entry);
            }
            self.record(&mut group);
            if self.sync_by.is_some_and(|by| by <= Instant::now()) {
                self.sync();
            }
        }
        self.sync();
    }

    /// What comes next; none if nothing ever will.
    fn next_entry(&mut self) -> Result<Option<Entry>, Elapsed> {
        let Self { entries, runtime, sync_by, .. } = self;
        match *sync_by {
            None => Ok(entries.blocking_recv()),
            Some(by) => {
                let next = async { tokio::time::timeout_at(by.into(), entries.recv()).await };
                runtime.block_on(next).map_err(|_| Elapsed)
            }
        }
    }

    /// Waits until what was answered is on disk.
    fn sync(&mut self) {
        if self.sync_by.take().is_none() {
            return;
        }
        let Some(segment) = self.segment.take() else { return };
        match segment.sync() {
            Ok(()) => self.segment = Some(segment),
            Err(error) => {
                // It can still be read, and is delivered; whether the disk has it nobody knows, so that no more goes there.
                tracing::error!(
                    target: "quell::gate",
                    %error,
                    "cannot sync the spool: a loss of power would lose decisions that are not in kafka yet"
                );
                self.shared.set_tail(Tail { segment: self.next, bytes: 0 });
            }
        }
    }

    /// Tries until all of a group is written, or nobody waits for it any more.
    fn record(&mut self, group: &mut Vec<Entry>) {
        loop {
            // Whoever gave up has not answered, and asks again: a record now would be of a decision that never was.
            group.retain(|entry| !entry.done.is_closed());
            if group.is_empty() {
                return;
            }
            let mut block = BlockBuilder::default();
            group.iter().flat_map(|entry| &entry.records).for_each(|record| block.push(record));
            match self.write(&block.finish()) {
                Ok(()) => break,
                Err(error) => self.stalled(&error),
            }
            std::thread::sleep(TRY_AGAIN);
        }
        self.is_stalled = false;
        for entry in group.drain(..) {
            // Who has gone meanwhile did not answer; the record stays.
            entry.done.send(()).unwrap_or_default();
        }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let options = &self.shared.options;
        let bytes = block.len() as u64;
        if self.shared.bytes.load(Ordering::Acquire) + bytes > options.bytes_max {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the spool has reached spool.size"));
        }
        let segment_bytes_max = SEGMENT_BYTES_MAX.min(options.bytes_max / SEGMENTS_AT_LEAST);
        if self.segment.as_ref().is_none_or(|segment| segment.bytes + bytes > segment_bytes_max) {
            self.begin_segment()?;
        }
        let Some(mut segment) = self.segment.take() else { return Ok(()) };
        let sync_within = self.shared.options.sync_within;
        let appended = if sync_within.is_zero() { segment.append(block) } else { segment.append_unsynced(block) };
        match appended {
            Ok(()) => {
                self.shared.grew(bytes);
                self.shared.set_tail(Tail { segment: segment.number, bytes: segment.bytes });
                self.segment = Some(segment);
                if !sync_within.is_zero() {
                    self.sync_by.get_or_insert_with(|| Instant::now() + sync_within);
                }
                Ok(())
            }
            Err(error) => {
                // What is left of the block has no place in any count. If it cannot be cut off nobody reads it as long
                // as this process lives; the next one takes it for what it finds: a repeat, if only the sync failed.
                if let Err(error) = segment.cut() {
                    tracing::warn!(target: "quell::gate", %error, "cannot cut off what was not written whole");
                    self.shared.give_up(segment.number, segment.bytes);
                }
                // It is delivered and removed even if the disk has no room for another before.
                self.shared.set_tail(Tail { segment: self.next, bytes: 0 });
                Err(error)
            }
        }
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.sync();
        let number = self.next;
        let created = Segment::create(&self.shared.options.path, number);
        // Whether or not it is there, its name is not used again.
        self.next = number.next();
        let segment = created?;
        self.shared.grew(segment.bytes);
        self.shared.set_tail(Tail { segment: number, bytes: segment.bytes });
        self.segment = Some(segment);
        Ok(())
    }

    fn stalled(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_stalled, true) {
            SpoolStalled { reason: &error.to_string() }.emit(&self.shared.metrics);
        }
    }
}

fn bytes_of(entry: &Entry) -> usize {
    entry.records.iter().map(|record| record.value.len()).sum()
}
