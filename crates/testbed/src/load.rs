//! A load: events made to hurt, at a steady rate, for as long as something is tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::deployment::Deployment;
use crate::events::{Event, hurting, records};

/// Each batch is made of its own seed, so that nothing has to be kept until the end.
const CLUSTERS: u64 = 5;
const EVENTS_EACH: u64 = 40;

pub struct Load {
    seed: u64,
    stop: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Load {
    /// Begins to write about so many events a second. When the brokers do not take them it waits, and catches up later.
    pub fn start(deployment: &Arc<Deployment>, seed: u64, per_second: u64) -> Self {
        let (stop, events) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (deployment, stopping, counted) = (Arc::clone(deployment), Arc::clone(&stop), Arc::clone(&events));
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut batches = 0;
            while !stopping.load(Ordering::Relaxed) {
                let batch = batch(seed, batches);
                batches += 1;
                deployment.produce(records(&deployment, &batch));
                let written = counted.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
                let due = began + Duration::from_millis(written * 1_000 / per_second);
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
            batches
        });
        Self { seed, stop, events, thread }
    }

    /// How many events have been written.
    pub fn written(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Ends it; what was written.
    pub fn finish(self) -> Vec<Event> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let batches = self.thread.join().unwrap();
        (0..batches).flat_map(|number| batch(self.seed, number)).collect()
    }
}

fn batch(seed: u64, number: u64) -> Vec<Event> {
    hurting(seed * 1_000_000 + number, CLUSTERS, EVENTS_EACH)
}
