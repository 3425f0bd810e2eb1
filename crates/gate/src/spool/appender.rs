//! Appending to the spool, one block at a time, by whoever asks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, SpoolStalled};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

use super::syncer::{OnItsWay, ToSync};
use super::{SAY_EVERY, Segment, SegmentNumber, Shared, Tail};

/// A segment is removed as a whole: small ones give their room back early.
const SEGMENTS_AT_LEAST: u64 = 8;

/// And beyond this size nothing is won.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;

/// How long after a failure the disk is tried again.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How long the disk may take to sync, beyond when it should have. What it has not taken by then it may never take, so
/// nothing more is answered.
const SYNC_PATIENCE: Duration = Duration::from_secs(1);

/// A block that was appended.
pub(super) enum Appended {
    /// It is the operating system's, and outlives the process.
    Written,
    /// It is to be on disk first: whether it is will be said.
    ToBeSynced(oneshot::Receiver<bool>),
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    segment: Segment,
    on_its_way: Arc<OnItsWay>,
}

/// Appends.
#[derive(Debug)]
pub(super) struct Appender {
    shared: Arc<Shared>,
    /// None after a failure, until a new one can be begun.
    current: Option<Current>,
    next: SegmentNumber,
    syncer: Sender<ToSync>,
    /// Since the last failure nothing was written.
    is_stalled: bool,
    /// When that was said: now and then something may be written.
    said: Throttle,
    /// When the disk may be tried again: many may wait.
    not_before: Option<Instant>,
}

impl Appender {
    pub fn begin(shared: Arc<Shared>, first: SegmentNumber, syncer: Sender<ToSync>) -> io::Result<Self> {
        let (said, not_before) = (Throttle::new(SAY_EVERY), None);
        let mut appender = Self { shared, current: None, next: first, syncer, is_stalled: false, said, not_before };
        let current = appender.begin_segment()?;
        appender.current = Some(current);
        Ok(appender)
    }

    /// Writes a block. None if it cannot be written now: nothing of it counts.
    pub fn append(&mut self, block: &[u8]) -> Option<Appended> {
        let options = &self.shared.options;
        // One that is too large for what is left does not hold up those that are not.
        if self.shared.bytes.load(Ordering::Acquire) + block.len() as u64 > options.bytes_max {
            self.stalled("the spool has reached spool.size");
            return None;
        }
        let now = Instant::now();
        if self.not_before.is_some_and(|then| now < then) {
            return None;
        }
        match self.write(block, now) {
            Ok(appended) => {
                (self.is_stalled, self.not_before) = (false, None);
                Some(appended)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + TRY_AGAIN);
                self.stalled(&error.to_string());
                None
            }
        }
    }

    fn stalled(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_stalled, true) && self.said.passes(Instant::now()) {
            SpoolStalled { reason }.emit(&self.shared.metrics);
        }
    }

    fn write(&mut self, block: &[u8], now: Instant) -> io::Result<Appended> {
        let options = &self.shared.options;
        let (bytes, sync_within) = (block.len() as u64, options.sync_within);
        let segment_bytes_max = SEGMENT_BYTES_MAX.min(options.bytes_max / SEGMENTS_AT_LEAST);
        if let Some(current) = &self.current {
            if current.on_its_way.has_failed() {
                self.leave_segment();
                return Err(io::Error::other("the disk does not take what was written"));
            }
            if current.on_its_way.is_overdue(now, SYNC_PATIENCE) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the disk takes nothing"));
            }
        }
        let mut current = match self.current.take_if(|current| current.segment.bytes + bytes <= segment_bytes_max) {
            Some(current) => current,
            None => wait_for_disk(|| self.begin_segment())?,
        };
        if let Err(error) = current.segment.append(block) {
            // What is left of the block has no place in any count. If it cannot be cut off nobody reads it as long as
            // this process lives; the next one takes it for what it finds.
            if let Err(error) = wait_for_disk(|| current.segment.cut()) {
                tracing::warn!(target: "quell::gate", %error, "cannot cut off what was not written whole");
                self.shared.give_up(current.segment.number, current.segment.bytes);
            }
            self.leave_segment();
            return Err(error);
        }
        self.shared.grew(bytes);
        self.shared.set_tail(Tail { segment: current.segment.number, bytes: current.segment.bytes });
        let is_first = current.on_its_way.appended(now + sync_within);
        let (told, appended) = if sync_within.is_zero() {
            let (told, synced) = oneshot::channel();
            (Some(told), Appended::ToBeSynced(synced))
        } else {
            (None, Appended::Written)
        };
        if is_first || told.is_some() {
            let file = Arc::clone(&current.on_its_way);
            // There is a syncer as long as there is an appender.
            self.syncer.send(ToSync { file, by: now + sync_within, told }).unwrap_or_default();
        }
        self.current = Some(current);
        Ok(appended)
    }

    fn begin_segment(&mut self) -> io::Result<Current> {
        self.leave_segment();
        let number = self.next;
        let created = Segment::create(&self.shared.options.path, number);
        // Whether or not it is there, its name is not used again.
        self.next = number.next();
        let segment = created?;
        self.shared.grew(segment.bytes);
        self.shared.set_tail(Tail { segment: number, bytes: segment.bytes });
        let on_its_way = Arc::new(OnItsWay::new(segment.file()));
        Ok(Current { segment, on_its_way })
    }

    /// It is delivered and removed even if the disk has no room for another before.
    fn leave_segment(&mut self) {
        self.current = None;
        self.shared.set_tail(Tail { segment: self.next, bytes: 0 });
    }
}

/// Does what waits for the disk; others' questions go to another thread meanwhile, if there is one.
fn wait_for_disk<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}
