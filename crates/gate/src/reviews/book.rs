//! What is known of reviews: all that are pending, and those that were resolved last.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quell_wire::ReviewMessage;

use super::ReviewState;

/// What pending reviews may take. Beyond it later ones stay in Kafka until others are resolved, and are only counted: with
/// what callers mark at its largest there is room for some 15,000, without it for some 300,000.
const PENDING_BYTES_MAX: usize = 256 << 20;

/// What resolved ones may take: they are kept for whoever resolves one again, and to notice what a repeat has covered.
const RESOLVED_BYTES_MAX: usize = 32 << 20;

/// What a review takes beside its longer texts: ids, hashes and names are bounded, and so is a place in a map.
const BESIDE_BYTES: usize = size_of::<ReviewMessage>() + size_of::<Held>() + 256;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which partition of the reviews' topic.
    pub partition: i32,
    /// At which offset.
    pub offset: i64,
}

/// What a record brought about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// What holds stands before it in the topic, where compaction forgets it: it has to be recorded again (J2).
    pub covered: Option<Arc<ReviewMessage>>,
    /// Another resolution is there: of the two, the earlier holds (J1).
    pub is_second: bool,
}

/// How many wait, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub pending_by_system: BTreeMap<String, usize>,
    /// When the oldest was opened.
    pub oldest_created_at: Option<i64>,
}

/// The book of reviews.
#[derive(Debug)]
pub(crate) struct Book {
    pages: Mutex<Pages>,
    pending_bytes_max: usize,
    resolved_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Pages {
    /// By id, which is by age.
    pending: BTreeMap<String, Held>,
    pending_bytes: usize,
    resolved: BTreeMap<String, Held>,
    resolved_bytes: usize,
    /// The ids of those that were resolved, in the order in which that became known.
    order: VecDeque<String>,
    /// Pending ones that there was no room for.
    left_out: BTreeMap<String, LeftOut>,
    /// The last offset that was read of each partition.
    read: BTreeMap<i32, i64>,
    /// Whether all is read anew for the sake of those that were left out.
    is_filling: bool,
}

/// What is kept of a review that there was no room for.
#[derive(Clone, Debug)]
struct LeftOut {
    system: String,
    created_at: i64,
}

#[derive(Clone, Debug)]
struct Held {
    review: Arc<ReviewMessage>,
    /// None until it has been read: this gate has just recorded it.
    place: Option<Place>,
}

impl Default for Book {
    fn default() -> Self {
        Self::with_bounds(PENDING_BYTES_MAX, RESOLVED_BYTES_MAX)
    }
}

impl Book {
    fn with_bounds(pending_bytes_max: usize, resolved_bytes_max: usize) -> Self {
        Self { pages: Mutex::default(), pending_bytes_max, resolved_bytes_max }
    }

    /// Takes up a state of a review: one that was read somewhere, or one that this gate has recorded.
    pub fn take(&self, review: ReviewMessage, place: Option<Place>) -> Taken {
        let mut pages = self.pages();
        let was_read = place.is_some_and(|place| pages.reads(place));
        let Some(held) = pages.held_mut(&review.review_id) else {
            // What was read before and is unknown was resolved, and is forgotten.
            let is_forgotten = was_read && pages.is_filling && !pages.left_out.contains_key(&review.review_id);
            if !is_forgotten {
                self.put(&mut pages, Held { review: Arc::new(review), place });
            }
            return Taken::default();
        };
        if *held.review == review {
            held.place = place.or(held.place);
            return Taken::default();
        }
        let held = held.clone();
        let is_second = match (&held.review.resolution, &review.resolution) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        if holds_over(&held.review, &review) {
            let is_covered = matches!((held.place, place), (Some(before), Some(behind))
                if before.partition == behind.partition && before.offset < behind.offset);
            return Taken { covered: is_covered.then_some(held.review), is_second };
        }
        pages.remove(&review.review_id);
        self.put(&mut pages, Held { review: Arc::new(review), place });
        Taken { covered: None, is_second }
    }

    /// A record that says that there is no such review any more.
    pub fn forget(&self, review_id: &str) {
        self.pages().remove(review_id);
    }

    /// The review of an id, if it is pending, or was resolved not long ago.
    pub fn get(&self, review_id: &str) -> Option<Arc<ReviewMessage>> {
        self.pages().held(review_id).map(|held| Arc::clone(&held.review))
    }

    /// Those in a state, of a system if one is named, that come after an id: the oldest, and whether there are more.
    pub fn list(
        &self,
        state: ReviewState,
        system: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Arc<ReviewMessage>>, bool) {
        let pages = self.pages();
        let of_state = match state {
            ReviewState::Pending => &pages.pending,
            ReviewState::Resolved => &pages.resolved,
        };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = of_state
            .range::<str, _>((begin, Bound::Unbounded))
            .map(|(_, held)| &held.review)
            .filter(|review| system.is_none_or(|system| review.system == system));
        let listed = found.by_ref().take(limit).map(Arc::clone).collect();
        (listed, found.next().is_some())
    }

    /// How many wait, and for how long.
    pub fn counts(&self) -> Counts {
        let pages = self.pages();
        let known = pages.pending.values().map(|Held { review, .. }| (&review.system, review.created_at));
        let left_out = pages.left_out.values().map(|LeftOut { system, created_at }| (system, *created_at));
        let mut counts = Counts::default();
        for (system, created_at) in known.chain(left_out) {
            *counts.pending_by_system.entry(system.clone()).or_default() += 1;
            let oldest = counts.oldest_created_at.get_or_insert(created_at);
            *oldest = created_at.min(*oldest);
        }
        counts
    }

    /// Whether pending reviews were left in Kafka for want of room.
    pub fn has_left_out(&self) -> bool {
        !self.pages().left_out.is_empty()
    }

    /// Whether there is room again for those that were left in Kafka: then all is to be read from the beginning.
    pub fn wants_filling(&self) -> bool {
        let pages = self.pages();
        self.has_room(&pages) && !pages.left_out.is_empty()
    }

    /// The topic is read from its beginning: to fill the room that there is, or else to believe all of it.
    pub fn begin(&self, is_filling: bool) {
        self.pages().is_filling = is_filling;
    }

    /// All that stood in the topic at the beginning has been read.
    pub fn end(&self) {
        let mut pages = self.pages();
        // What would have had room, and was not met, is not there any more.
        if std::mem::take(&mut pages.is_filling) && self.has_room(&pages) {
            pages.left_out.clear();
        }
    }

    fn has_room(&self, pages: &Pages) -> bool {
        pages.pending_bytes < self.pending_bytes_max / 2
    }

    fn put(&self, pages: &mut Pages, held: Held) {
        let (id, bytes) = (held.review.review_id.clone(), bytes_of(&held.review));
        pages.left_out.remove(&id);
        if held.review.resolution.is_none() {
            if pages.pending_bytes + bytes > self.pending_bytes_max {
                let (system, created_at) = (held.review.system.clone(), held.review.created_at);
                pages.left_out.insert(id, LeftOut { system, created_at });
                return;
            }
            pages.pending_bytes += bytes;
            pages.pending.insert(id, held);
            return;
        }
        pages.resolved_bytes += bytes;
        pages.order.push_back(id.clone());
        pages.resolved.insert(id, held);
        while pages.resolved_bytes > self.resolved_bytes_max {
            let Some(oldest) = pages.order.pop_front() else { break };
            pages.remove_resolved(&oldest);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Notes that a record was read, and says whether it has been before.
    fn reads(&mut self, Place { partition, offset }: Place) -> bool {
        let last = self.read.entry(partition).or_insert(-1);
        let was_read = offset <= *last;
        *last = offset.max(*last);
        was_read
    }

    fn held(&self, review_id: &str) -> Option<&Held> {
        self.pending.get(review_id).or_else(|| self.resolved.get(review_id))
    }

    fn held_mut(&mut self, review_id: &str) -> Option<&mut Held> {
        self.pending.get_mut(review_id).or_else(|| self.resolved.get_mut(review_id))
    }

    fn remove(&mut self, review_id: &str) {
        self.left_out.remove(review_id);
        if let Some(held) = self.pending.remove(review_id) {
            self.pending_bytes -= bytes_of(&held.review);
        } else if self.resolved.contains_key(review_id) {
            self.order.retain(|id| id != review_id);
            self.remove_resolved(review_id);
        }
    }

    fn remove_resolved(&mut self, review_id: &str) {
        if let Some(held) = self.resolved.remove(review_id) {
            self.resolved_bytes -= bytes_of(&held.review);
        }
    }
}

/// J1: a resolution holds over none, and the earlier of two; of the same time, one and the same of the two everywhere.
fn holds_over(one: &ReviewMessage, other: &ReviewMessage) -> bool {
    match (&one.resolution, &other.resolution) {
        (Some(one), Some(other)) => one < other,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// About what a review takes in memory.
fn bytes_of(review: &ReviewMessage) -> usize {
    let texts = [&review.review_id, &review.action, &review.system, &review.reason, &review.policy_version];
    let more = [&review.right, &review.choice_id, &review.significant_decision, &review.model_name, &review.material];
    let note = review.resolution.as_ref().and_then(|resolution| resolution.note.as_ref());
    let of_texts: usize = texts.into_iter().chain(more.into_iter().flatten()).chain(note).map(String::len).sum();
    BESIDE_BYTES + review.subject.value.len() + of_texts
}

#[cfg(test)]
mod tests;
