//! Says what the engine would: that every opt-out is published. Without it the gate rightly takes what it knows for old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_testbed::now_millis;
use quell_wire::{Encoder, Format, WatermarkMessage};

use crate::load::Sender;

/// As often as an engine that has nothing else to do.
const EVERY: Duration = Duration::from_secs(1);

/// Until it is dropped.
pub struct Watermarks {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watermarks {
    pub fn publish(bootstrap: &str, topic: &str) -> Self {
        let (sender, topic) = (Sender::new(bootstrap, "0"), topic.to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let encoder = Encoder::new(Format::Avro, None);
            while !stopping.load(Ordering::Acquire) {
                let now = now_millis();
                let message = WatermarkMessage {
                    shard: 0,
                    shards: 1,
                    complete_through: now,
                    observed_at: now,
                    wave: 0,
                    inputs_through: 0,
                    messages_from: 0,
                    watched_from: i64::MAX,
                    complete_wave: 0,
                };
                sender.send(&topic, b"0", &encoder.watermark(&topic, &message).unwrap());
                sender.settle();
                std::thread::park_timeout(EVERY);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Watermarks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}
