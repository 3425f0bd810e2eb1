//! The thread that has what was appended written to the disk.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quell_telemetry::Throttle;
use tokio::sync::oneshot;

use super::SAY_EVERY;

/// The file of a segment, what was appended to it being on its way to the disk. Only the syncer syncs it: the system
/// tells of a failure once.
#[derive(Debug)]
pub(super) struct OnItsWay {
    file: Arc<File>,
    /// By when what the syncer knows of should be on disk.
    due: Mutex<Option<Instant>>,
    has_failed: AtomicBool,
}

impl OnItsWay {
    pub fn new(file: Arc<File>) -> Self {
        Self { file, due: Mutex::new(None), has_failed: AtomicBool::new(false) }
    }

    /// Something was appended, which should be on disk by then. Whether it is the first since the file was last synced:
    /// then the syncer has to be told.
    pub fn appended(&self, by: Instant) -> bool {
        let mut due = self.due();
        let is_first = due.is_none();
        due.get_or_insert(by);
        is_first
    }

    /// Whether something should have been on disk for so long, and is not.
    pub fn is_overdue(&self, now: Instant, patience: Duration) -> bool {
        self.due().is_some_and(|due| now.saturating_duration_since(due) > patience)
    }

    /// Whether nobody knows what the disk has of it: no more may go there.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Waits until all that was appended before is on disk.
    fn sync(&self) -> io::Result<()> {
        // Before, so that whoever appends meanwhile tells again.
        self.due().take();
        self.file.sync_data().inspect_err(|_| self.has_failed.store(true, Ordering::Release))
    }

    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that has something to be synced, by when, and who waits for it.
#[derive(Debug)]
pub(super) struct ToSync {
    pub file: Arc<OnItsWay>,
    pub by: Instant,
    pub told: Option<oneshot::Sender<bool>>,
}

/// Syncs what it is told of, each time with all that has come until then, until nobody can append any more.
pub(super) fn run(queue: &Receiver<ToSync>) {
    let mut said = Throttle::new(SAY_EVERY);
    while let Ok(first) = queue.recv() {
        let (by, mut group) = (first.by, vec![first]);
        // At the end there is nothing to wait for.
        while let Ok(more) = queue.recv_timeout(by.saturating_duration_since(Instant::now())) {
            group.push(more);
        }
        for same in group.chunk_by_mut(|one, other| Arc::ptr_eq(&one.file, &other.file)) {
            let Some(ToSync { file, .. }) = same.first() else { continue };
            if let Err(error) = file.sync()
                && said.passes(Instant::now())
            {
                // It can still be read, and is delivered.
                tracing::error!(target: "quell::gate", %error, "cannot sync the spool: a loss of power would lose what it has");
            }
            let is_synced = !file.has_failed();
            for told in same.iter_mut().filter_map(|waiting| waiting.told.take()) {
                // Who has gone meanwhile did not answer; the record stays.
                told.send(is_synced).unwrap_or_default();
            }
        }
    }
}
