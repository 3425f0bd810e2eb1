//! The thread that reads Kafka: suppressions into the copy and the index, watermarks into the time that is known.
//!
//! ```text
//! suppression topic ──> Change ──> LocalCopy::take ──> index          positions ─┬─> all that stood at the start: ready
//! quell.watermarks ───> Watermarks ──> how far the topic must be read for that ──┴─> Gate::set_as_of
//! ```
//!
//! A watermark says what is *in the topic*. It counts for the gate once the gate has read as far as the topic went when
//! the watermark was read (Q3): the high watermark of a read-uncommitted client, since the suppressions of the same
//! transaction are written by then, though the brokers may not yet have marked them as committed.

mod catching_up;
mod changes;
mod resuming;
mod session;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_decision::Suppressions;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{CopyDiscarded, GateEvent as _};
use quell_wire::Decoder;

use crate::clients::KafkaSettings;
use crate::gate::Gate;
use crate::local_copy::LocalCopy;
use crate::worker::{Stop, Worker};
use session::{Ended, Session};

/// How long to wait after an error before all is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What a reader is made of.
pub struct ReaderParts {
    /// How its clients are made.
    pub kafka: KafkaSettings,
    /// The downstream's topic.
    pub suppressions: String,
    /// `topics.watermarks`
    pub watermarks: String,
    /// How records are read.
    pub decoder: Decoder,
    /// Where they are kept.
    pub copy: LocalCopy,
    /// Where they are found.
    pub index: Arc<Suppressions>,
    /// Who answers.
    pub gate: Arc<Gate>,
}

impl ReaderParts {
    /// Begins to read, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(self) -> io::Result<Worker> {
        let began = Instant::now();
        Worker::start("quell-gate-reader", move |stop| {
            Reading { parts: self, stop, said: Throttle::new(SAY_EVERY), began }.run();
        })
    }
}

struct Reading {
    parts: ReaderParts,
    stop: Stop,
    said: Throttle,
    began: Instant,
}

impl Reading {
    fn run(mut self) {
        while !self.stop.is_asked() {
            match Session::run(&mut self.parts, &self.stop, self.began) {
                Ok(Ended::Stopped) => return,
                Ok(Ended::PartitionsAdded) => {}
                Ok(Ended::Unfit(reason)) => self.read_anew(reason),
                // What is known grows old meanwhile, and that is what the answers go by.
                Err(error) => {
                    self.say(&error.to_string());
                    std::thread::sleep(TRY_AGAIN);
                }
            }
        }
    }

    /// No answer may come from an index that is being emptied: first it is not ready, then it is emptied.
    fn read_anew(&mut self, reason: &str) {
        let ReaderParts { gate, copy, index, .. } = &mut self.parts;
        gate.set_ready(false);
        gate.forget_as_of();
        CopyDiscarded { reason }.emit(&gate.metrics);
        if let Err(error) = copy.discard(index) {
            self.say(&error.to_string());
            std::thread::sleep(TRY_AGAIN);
        }
    }

    fn say(&mut self, reason: &str) {
        if self.said.passes(Instant::now()) {
            tracing::warn!(target: "quell::gate", reason, "cannot read opt-outs; trying again");
        }
    }
}
