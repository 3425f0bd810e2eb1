//! The spool: decisions, and what goes with them, on disk on their way to Kafka.
//!
//! ```text
//!                  ┌── answered, or when it is on disk ──┐
//! Spool::record ─> Appender: a block ─> segments ─> Syncer, a thread
//!                                          │
//!                                          └─────> delivery, a thread ─> Kafka
//! ```
//!
//! A decision is answered only when its record is in a file that outlives the process, and that of the review that it
//! ends in, in one block (B1). What is written is on its way to the disk within `spool.sync_within`, or on it before it is
//! answered; while the disk takes nothing, nothing more is answered. A segment goes only when all of it is in Kafka (B2); what Kafka refuses for what it is, and what cannot be read, stays beside it
//! for a human. Full, or with a disk that fails, it takes nothing until it can: who records waits, up to a deadline, and
//! then answers that it cannot.

mod appender;
mod delivery;
mod find;
mod progress;
mod record;
mod refused;
mod segment;
mod syncer;

use std::cmp;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_telemetry::gate::GateMetrics;
use tokio::sync::Mutex as AsyncMutex;

use appender::{Appended, Appender, TRY_AGAIN};
pub use delivery::{DeliveryError, DeliveryTopics};
pub use record::{DecisionId, Record, Topic};
use segment::{BlockBuilder, SegmentReader, next_number, refused};
pub(crate) use segment::{Segment, SegmentNumber, segments};

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Its directory. `spool.path`
    pub path: PathBuf,
    /// How large it may become. `spool.size`
    pub bytes_max: u64,
    /// How long a decision may wait to be recorded. `spool.deadline`
    pub deadline: Duration,
    /// How long an answered decision may be the operating system's alone. None at all: it is on disk before it is
    /// answered. `spool.sync_within`
    pub sync_within: Duration,
}

/// A decision could not be recorded in time. It must not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decision could not be recorded in time")]
pub struct NotRecorded;

/// The spool cannot be opened; an operator must act.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the spool in {}", path.display())]
pub struct SpoolOpenError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// What all who work on it know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub options: SpoolOptions,
    pub metrics: GateMetrics,
    /// The first segment of this process.
    pub first: SegmentNumber,
    /// Bytes of all segments, and of what Kafka refused.
    pub bytes: AtomicU64,
    /// The segment that is being written, and how much of it is written, as one number: see [`Tail`].
    tail: AtomicU64,
    /// Where segments end that have more in their files than counts.
    given_up: Mutex<BTreeMap<SegmentNumber, u64>>,
}

/// How far the spool is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tail {
    pub segment: SegmentNumber,
    pub bytes: u64,
}

/// How far a segment may be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable {
    pub until: u64,
    /// Whether there will never be more.
    pub is_over: bool,
}

/// A segment is far smaller than this.
const TAIL_BYTES_BITS: u32 = 32;

impl Shared {
    pub fn tail(&self) -> Tail {
        let both = self.tail.load(Ordering::Acquire);
        Tail { segment: SegmentNumber(both >> TAIL_BYTES_BITS), bytes: both & ((1 << TAIL_BYTES_BITS) - 1) }
    }

    fn set_tail(&self, tail: Tail) {
        self.tail.store(tail.segment.0 << TAIL_BYTES_BITS | tail.bytes, Ordering::Release);
    }

    /// How far a segment may be read now. None if it is only being made.
    pub fn readable(&self, reader: &SegmentReader) -> io::Result<Option<Readable>> {
        let tail = self.tail();
        Ok(match reader.number.cmp(&tail.segment) {
            cmp::Ordering::Greater => None,
            cmp::Ordering::Equal => (tail.bytes > 0).then_some(Readable { until: tail.bytes, is_over: false }),
            cmp::Ordering::Less => {
                let given_up = self.given_up().get(&reader.number).copied();
                // Its file is looked at only now that it cannot grow any more.
                let until = given_up.map_or_else(|| reader.bytes(), Ok)?;
                Some(Readable { until, is_over: true })
            }
        })
    }

    /// A segment is not written to any more, and what its file has behind `end` does not count.
    fn give_up(&self, number: SegmentNumber, end: u64) {
        self.given_up().insert(number, end);
    }

    /// A segment is gone, with so many bytes.
    fn went(&self, number: SegmentNumber, bytes: u64) {
        self.given_up().remove(&number);
        self.shrank(bytes);
    }

    fn given_up(&self) -> MutexGuard<'_, BTreeMap<SegmentNumber, u64>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn grew(&self, bytes: u64) {
        self.metrics.set_spool_bytes(self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes);
    }

    pub fn shrank(&self, bytes: u64) {
        let less = |all: u64| Some(all.saturating_sub(bytes));
        let before = self.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.metrics.set_spool_bytes(before.unwrap_or_default().saturating_sub(bytes));
    }
}

/// Where decisions are recorded. Cheap to clone; when the last one is dropped, the syncer ends.
#[derive(Clone, Debug)]
pub struct Spool {
    /// Whoever finds it in use lets others' questions go on meanwhile: it may wait for the disk.
    appender: Arc<AsyncMutex<Appender>>,
    shared: Arc<Shared>,
}

/// The thread that syncs.
#[derive(Debug)]
pub struct SpoolSyncer(JoinHandle<()>);

impl SpoolSyncer {
    /// Waits until all that was recorded is on disk, whatever the options: every [`Spool`] must be gone.
    pub fn join(self) {
        drop(self.0.join());
    }
}

impl Spool {
    /// Opens the spool in a directory, which is made if it is missing, and begins a segment of its own. What a process
    /// before has left is delivered first.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(options: SpoolOptions, metrics: GateMetrics) -> Result<(Self, SpoolSyncer, Backlog), SpoolOpenError> {
        let path = options.path.clone();
        let opened = || {
            let (shared, first) = Shared::open(options, metrics)?;
            let (queue, to_sync) = mpsc::channel();
            let appender = Arc::new(AsyncMutex::new(Appender::begin(Arc::clone(&shared), first, queue)?));
            let thread = std::thread::Builder::new().name("quell-spool".to_owned());
            let syncer = SpoolSyncer(thread.spawn(move || syncer::run(&to_sync))?);
            Ok((Self { appender, shared: Arc::clone(&shared) }, syncer, Backlog(shared)))
        };
        opened().map_err(|source| SpoolOpenError { path, source })
    }

    /// Records, in the thread that asks. When it returns all of them are written, as [`SpoolOptions::sync_within`] has it.
    /// A caller that goes away before, or hears that it took too long, may have recorded what it never answered.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn record(&self, records: &[Record]) -> Result<(), NotRecorded> {
        let mut block = BlockBuilder::default();
        records.iter().for_each(|record| block.push(record));
        let block = block.finish();
        let recording = async {
            while !self.try_to_record(&block).await {
                tokio::time::sleep(TRY_AGAIN).await;
            }
        };
        tokio::time::timeout(self.shared.options.deadline, recording).await.map_err(|_| NotRecorded)
    }

    /// How much can be recorded at once, at least when hardly anything else is there.
    pub(crate) fn bytes_at_once(&self) -> usize {
        usize::try_from(self.shared.options.bytes_max / 2).unwrap_or(usize::MAX)
    }

    async fn try_to_record(&self, block: &[u8]) -> bool {
        // By itself, so that the next one can append while this one waits.
        let appended = self.appender.lock().await.append(block);
        match appended {
            Some(Appended::Written) => true,
            Some(Appended::ToBeSynced(synced)) => synced.await.unwrap_or(false),
            None => false,
        }
    }
}

/// What is written and not yet known to be in Kafka.
#[derive(Debug)]
pub struct Backlog(pub(crate) Arc<Shared>);

impl Shared {
    fn open(options: SpoolOptions, metrics: GateMetrics) -> io::Result<(Arc<Self>, SegmentNumber)> {
        std::fs::create_dir_all(&options.path)?;
        let first = next_number(&options.path)?;
        let found = [segments(&options.path)?, refused(&options.path)?].concat();
        let (bytes, tail) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Self { options, metrics, first, bytes, tail, given_up: Mutex::default() };
        shared.grew(found.iter().map(|(_, bytes)| bytes).sum());
        Ok((Arc::new(shared), first))
    }
}

#[cfg(test)]
mod tests;
