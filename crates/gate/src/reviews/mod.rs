//! Reviews: decisions that a human has to make, from the decision that ends in one to its resolution.
//!
//! ```text
//! Gate::decide ──> opened ─────────┐                                      ┌──> GET /v1/reviews, metrics
//!                                  ├──> spool ──> quell.reviews ──> reader ──> Book
//! POST …/resolution ──> resolved ──┘      ▲                                 │
//!                                         └── what a repeat has covered ────┘
//! ```
//!
//! A review is one record under its id, replaced as a whole by the one with its resolution. Records are delivered at least
//! once and by several gates, so an earlier state may come behind a later one. Which of two states holds does not depend
//! on their order (J1): a resolution over none, and the earlier of two resolutions. Compaction keeps the last, so a gate
//! that reads a state behind the one that holds over it records that one again (J2).
//!
//! A gate that knows of a resolution takes no second one. Until a resolution has come back from Kafka, other gates do not
//! know of it: of two that are made meanwhile, both are recorded, and the earlier holds on every gate.

mod book;
mod door;
mod opening;
mod reader;
mod resolving;
mod view;

pub use book::Place;
pub use door::Outcome;
pub use reader::ReviewReaderParts;
pub use view::{Resolution, Resolving, Review, ReviewList, ReviewState};

pub(crate) use book::{Book, Counts, Taken};
pub(crate) use door::{ResolutionError, asked_resolution};
pub(crate) use opening::opened;
pub(crate) use resolving::NotResolved;

use std::sync::atomic::{AtomicBool, Ordering};

/// What a gate has of reviews.
#[derive(Debug)]
pub(crate) struct Reviews {
    /// The topic that they go to, by which a registry knows their schema.
    pub topic: String,
    pub book: Book,
    /// Whoever resolves a review has it.
    pub turn: tokio::sync::Mutex<()>,
    is_read: AtomicBool,
}

impl Reviews {
    /// None are known, and it is not known whether there are any.
    pub fn new(topic: String) -> Self {
        Self { topic, book: Book::default(), turn: tokio::sync::Mutex::default(), is_read: AtomicBool::new(false) }
    }

    /// Whether all that stood in the topic at the start has been read.
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    pub fn set_read(&self) {
        self.is_read.store(true, Ordering::Release);
    }
}
