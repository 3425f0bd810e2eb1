//! The spool: decisions, and what goes with them, on disk on their way to Kafka.
//!
//! ```text
//! Spool::record ──> a bounded queue ──> Writer, a thread: blocks, synced in groups ──> segments ──> delivery ──> Kafka
//!       ▲                                     │                                          ▲             │
//!       └── answered when its block is synced ┘                                          └─ removed ───┘
//! ```
//!
//! A decision is answered only when its record is on disk, and that of the review that it ends in, in one block (B1). A segment goes only when all of it is in Kafka (B2). Full,
//! or with a disk that fails, it takes nothing until it can: who records waits, up to a deadline, and then answers that
//! it cannot.

mod delivery;
mod find;
mod record;
mod segment;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_telemetry::gate::GateMetrics;
use tokio::sync::{mpsc, oneshot};

pub use delivery::{DeliveryError, DeliveryTopics};
pub use record::{DecisionId, Record, Topic};
pub(crate) use segment::{Segment, SegmentNumber, segments};
use writer::{Entry, Writer};

/// How many questions may wait for the writer. Each has a connection of its own, so there are not many.
const QUEUE_MAX: usize = 1_024;

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Its directory. `spool.path`
    pub path: PathBuf,
    /// How large it may become. `spool.size`
    pub bytes_max: u64,
    /// How long a decision may wait to be recorded. `spool.deadline`
    pub deadline: Duration,
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

/// What the writer and the delivery both know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub options: SpoolOptions,
    pub metrics: GateMetrics,
    /// Bytes of all segments.
    pub bytes: AtomicU64,
    /// The segment that is being written, and how much of it is on disk, as one number: see [`Tail`].
    tail: AtomicU64,
}

/// How far the spool is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tail {
    pub segment: SegmentNumber,
    pub bytes: u64,
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

    pub fn grew(&self, bytes: u64) {
        self.metrics.set_spool_bytes(self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes);
    }

    pub fn shrank(&self, bytes: u64) {
        let less = |all: u64| Some(all.saturating_sub(bytes));
        let before = self.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.metrics.set_spool_bytes(before.unwrap_or_default().saturating_sub(bytes));
    }
}

/// Where decisions are recorded. Cheap to clone; when the last one is dropped, the writer ends.
#[derive(Clone, Debug)]
pub struct Spool {
    queue: mpsc::Sender<Entry>,
    shared: Arc<Shared>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct SpoolWriter(JoinHandle<()>);

impl SpoolWriter {
    /// Waits until all that was recorded is on disk: every [`Spool`] must be gone.
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
    pub fn open(options: SpoolOptions, metrics: GateMetrics) -> Result<(Self, SpoolWriter, Backlog), SpoolOpenError> {
        let path = options.path.clone();
        let opened = || {
            let (shared, first) = Shared::open(options, metrics)?;
            let (queue, entries) = mpsc::channel(QUEUE_MAX);
            let writer = Writer::begin(Arc::clone(&shared), first, entries)?;
            let thread = std::thread::Builder::new().name("quell-spool".to_owned()).spawn(move || writer.run())?;
            Ok((Self { queue, shared: Arc::clone(&shared) }, SpoolWriter(thread), Backlog(shared)))
        };
        opened().map_err(|source| SpoolOpenError { path, source })
    }

    /// Records. When it returns they are on disk, all of them; a caller that goes away before may have recorded what it
    /// never answered.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn record(&self, records: Vec<Record>) -> Result<(), NotRecorded> {
        let (done, recorded) = oneshot::channel();
        let recording = async {
            self.queue.send(Entry { records, done }).await.map_err(|_| NotRecorded)?;
            recorded.await.map_err(|_| NotRecorded)
        };
        tokio::time::timeout(self.shared.options.deadline, recording).await.unwrap_or(Err(NotRecorded))
    }
}

/// What is on disk and not yet known to be in Kafka.
#[derive(Debug)]
pub struct Backlog(pub(crate) Arc<Shared>);

impl Shared {
    fn open(options: SpoolOptions, metrics: GateMetrics) -> io::Result<(Arc<Self>, SegmentNumber)> {
        std::fs::create_dir_all(&options.path)?;
        let found = segments(&options.path)?;
        let first = found.last().map_or(SegmentNumber(0), |(last, _)| last.next());
        let bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
        let shared = Self { options, metrics, bytes: AtomicU64::new(0), tail: AtomicU64::new(0) };
        shared.grew(bytes);
        Ok((Arc::new(shared), first))
    }
}

#[cfg(test)]
mod tests;
