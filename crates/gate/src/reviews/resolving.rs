//! Resolving a review: checked, recorded, and only then told; and how many wait for it.

use std::sync::Arc;
use std::time::Duration;

use quell_telemetry::gate::{GateEvent as _, ReviewResolvedTwice};
use quell_wire::{ResolutionMessage, ReviewMessage};

use super::{Counts, Place, ResolutionError, Resolving, Taken, asked_resolution};
use crate::gate::Gate;

/// Why a review is not resolved.
#[derive(Debug)]
pub(crate) enum NotResolved {
    /// Not all reviews have been read yet.
    NotRead,
    /// There is none of this id, or it was resolved long ago.
    Unknown,
    /// Somebody has resolved it, otherwise.
    Already(Arc<ReviewMessage>),
    /// It is no resolution.
    Refused(ResolutionError),
    /// It could not be recorded.
    NotRecorded,
}

impl Gate {
    /// Resolves a review, once. Whoever says the same again is told that it is so.
    pub(crate) async fn resolve(&self, review_id: &str, asked: &Resolving) -> Result<Arc<ReviewMessage>, NotResolved> {
        if !self.reviews.is_read() {
            return Err(NotResolved::NotRead);
        }
        // One after the other: humans are slow, and of two at once one has to see what the other did.
        let _turn = self.reviews.turn.lock().await;
        let known = self.reviews.book.get(review_id).ok_or(NotResolved::Unknown)?;
        let now = self.now();
        let (resolution, outcome) = asked_resolution(&known, asked, now.0).map_err(NotResolved::Refused)?;
        if let Some(resolved) = &known.resolution {
            let says_the_same = *resolved == ResolutionMessage { at: resolved.at, ..resolution };
            return if says_the_same { Ok(known) } else { Err(NotResolved::Already(known)) };
        }
        let resolved = ReviewMessage { resolution: Some(resolution), ..ReviewMessage::clone(&known) };
        self.record_review(&resolved, now).await.map_err(|_| NotResolved::NotRecorded)?;
        self.metrics.review_resolved(outcome.as_str());
        self.reviews.book.take(resolved, None);
        self.reviews.book.get(review_id).ok_or(NotResolved::Unknown)
    }

    /// Takes up a state of a review that stands in Kafka. What holds over it, if that stands before it in its partition,
    /// is given back: it has to be recorded again.
    pub fn take_review(&self, review: ReviewMessage, place: Place) -> Option<Arc<ReviewMessage>> {
        let id = review.review_id.clone();
        let Taken { covered, is_second } = self.reviews.book.take(review, Some(place));
        if is_second {
            ReviewResolvedTwice { review_id: &id }.emit(&self.metrics);
        }
        covered
    }

    /// All reviews that stood in Kafka at the start have been taken up: they are shown, and can be resolved.
    pub fn set_reviews_read(&self) {
        self.reviews.set_read();
    }

    /// Counts what waits for humans, for whoever watches.
    pub(crate) fn count_reviews(&self) {
        let Counts { pending_by_system, oldest_created_at } = self.reviews.book.counts();
        let rules = self.rules();
        self.metrics.set_reviews_pending(rules.systems().iter().map(|system| system.name.as_str()), &pending_by_system);
        let age = oldest_created_at.map_or(0, |created_at| self.now().0.saturating_sub(created_at));
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        self.metrics.set_reviews_oldest(age, self.reviews.book.has_left_out());
    }
}
