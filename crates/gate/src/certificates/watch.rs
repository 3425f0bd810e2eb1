//! The thread that reads the directory of keys again: a key that is added is published without a restart.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::Millis;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, KeysRead, KeysRefused};

use super::{KeyDirectory, Keys};
use crate::gate::Gate;
use crate::worker::Worker;

/// How often it is read. A handful of small files; and a key waits far longer between its publication and its use.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(60);

impl KeyDirectory {
    /// Begins to watch it for a gate, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn watch(self, gate: Arc<Gate>) -> io::Result<Worker> {
        Worker::start("quell-gate-keys", move |stop| {
            let mut said = Throttle::new(SAY_EVERY);
            while !stop.is_asked() {
                look(&self, &gate, &mut said);
                std::thread::park_timeout(LOOK_EVERY);
            }
        })
    }
}

/// Takes up what has changed: whole, or not at all.
fn look(directory: &KeyDirectory, gate: &Gate, said: &mut Throttle) {
    let held = gate.certificates.keys();
    match directory.read_after(&held) {
        Ok(keys) => {
            gate.metrics.set_keys_refused(false);
            if !are_same(&keys, &held) {
                let in_use = keys.ring.in_use(gate.now()).ok().map(|key| key.id().as_str());
                KeysRead { keys: keys.ring.keys(gate.now()).count(), in_use }.emit(&gate.metrics);
                gate.certificates.set_keys(keys);
            }
        }
        // A directory that has never been there: nobody has made a key yet.
        Err(_) if held.ring.is_empty() && !directory.path().exists() => gate.metrics.set_keys_refused(false),
        Err(error) => {
            gate.metrics.set_keys_refused(true);
            if said.passes(Instant::now()) {
                KeysRefused { error: &error }.emit(&gate.metrics);
            }
        }
    }
}

fn are_same(a: &Keys, b: &Keys) -> bool {
    let of = |keys: &Keys| -> Vec<(String, Millis)> {
        keys.ring.keys(Millis(0)).map(|(key, ..)| (key.id().to_string(), key.used_from())).collect()
    };
    a.subject_secret == b.subject_secret && of(a) == of(b)
}
