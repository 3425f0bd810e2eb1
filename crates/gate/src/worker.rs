//! A thread of the gate's that works until it is told to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Whether a thread is to stop, as it sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it is.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The thread.
#[derive(Debug)]
pub struct Worker {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Begins to work. Whoever works looks now and then whether to stop.
    pub(crate) fn start(name: &str, work: impl FnOnce(Stop) + Send + 'static) -> io::Result<Self> {
        let stop = Stop::default();
        let seen = stop.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(seen))?;
        Ok(Self { stop, thread })
    }

    /// Whether it has ended, which it never does by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) {
        self.stop.0.store(true, Ordering::Release);
        self.thread.thread().unpark();
        drop(self.thread.join());
    }
}
