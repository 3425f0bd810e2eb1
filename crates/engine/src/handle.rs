//! The engine's handle: what others may ask of it while it runs.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quell_domain::Identifier;
use quell_graph::Look;

/// How many looks may wait; more are turned away rather than queued.
const LOOKS_MAX: usize = 64;

/// How long a look waits for its answer: the engine answers between two epochs.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

/// Whether the engine does its work, and if not, what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Every owned shard is restored, and the engine consumes.
    pub ready: bool,
    /// What it waits for, one sentence each. Empty if ready.
    pub waiting_for: Vec<String>,
    /// How many shards it owns.
    pub shards_owned: usize,
}

/// Why a look brought nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LookError {
    /// The identifier's shard is restored here, or lives at another instance: ask there.
    #[error("the identifier's shard {0} is not active at this instance; ask another, or wait until it is restored")]
    NotHere(u32),
    /// Too many ask at once, or the engine is stopping.
    #[error("the engine did not answer in time; try again")]
    Busy,
    /// The store cannot be read.
    #[error("{0}")]
    Failed(String),
}

pub(crate) struct LookRequest {
    pub identifier: Identifier,
    pub edges_max: usize,
    pub answer: SyncSender<Result<Option<Look>, LookError>>,
}

/// Cheap to clone; safe to use from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    readiness: Arc<Mutex<Readiness>>,
    looks: SyncSender<LookRequest>,
}

impl Handle {
    pub(crate) fn new() -> (Self, Receiver<LookRequest>) {
        let (looks, requests) = sync_channel(LOOKS_MAX);
        let waiting_for = vec!["the first assignment of the group".to_owned()];
        let readiness = Readiness { ready: false, waiting_for, shards_owned: 0 };
        (Self { readiness: Arc::new(Mutex::new(readiness)), looks }, requests)
    }

    /// Whether the engine does its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
    }

    /// What is known of an identifier, with up to `edges_max` of its edges. Blocks until the engine answers between two
    /// epochs.
    ///
    /// # Errors
    /// When the identifier's shard is not active here, or nobody answers.
    pub fn look(&self, identifier: Identifier, edges_max: usize) -> Result<Option<Look>, LookError> {
        let (answer, answered) = sync_channel(1);
        match self.looks.try_send(LookRequest { identifier, edges_max, answer }) {
            Ok(()) => answered.recv_timeout(LOOK_DEADLINE).unwrap_or(Err(LookError::Busy)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(LookError::Busy),
        }
    }
}
