#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

use quell_wire::{NamedIdentifier, ResolutionMessage};

use super::*;

fn pending(number: u32, system: &str) -> ReviewMessage {
    ReviewMessage {
        review_id: format!("{number:036}"),
        created_at: 1_000 + i64::from(number),
        subject: NamedIdentifier::new("account_id", "a"),
        action: "infer".to_owned(),
        system: system.to_owned(),
        reason: "suppressed".to_owned(),
        right: None,
        choice_id: None,
        since: None,
        inherited: None,
        significant_decision: None,
        policy_version: "p".to_owned(),
        policy_sha256: String::new(),
        model_name: None,
        model_version: None,
        input_sha256: None,
        request_id: None,
        material: None,
        resolution: None,
    }
}

fn resolved(number: u32, by: &str, at: i64) -> ReviewMessage {
    let resolution =
        ResolutionMessage { at, by: by.to_owned(), outcome: "granted".to_owned(), changed_proposal: None, note: None };
    ReviewMessage { resolution: Some(resolution), ..pending(number, "hiring") }
}

fn at(offset: i64) -> Option<Place> {
    Some(Place { partition: 0, offset })
}

fn holds(book: &Book, number: u32) -> Option<String> {
    Some(book.get(&format!("{number:036}"))?.resolution.as_ref()?.by.clone())
}

/// J1 and J2: what holds, and what the last record of the topic says once what was covered is recorded again.
#[test]
fn whatever_the_order_the_earlier_resolution_holds_and_is_what_compaction_keeps() {
    let states = [pending(1, "hiring"), resolved(1, "ada", 7), resolved(1, "ben", 9), pending(1, "hiring")];
    for order in permutations(states.len()) {
        let mut topic: Vec<ReviewMessage> = order.iter().map(|at| states[*at].clone()).collect();
        let book = Book::default();
        let mut read = 0;
        while let Some(record) = topic.get(read).cloned() {
            let taken = book.take(record, at(i64::try_from(read).unwrap()));
            topic.extend(taken.covered.map(|review| ReviewMessage::clone(&review)));
            read += 1;
            assert!(topic.len() < 20, "what is recorded again is never covered again");
        }
        assert_eq!(holds(&book, 1).as_deref(), Some("ada"), "{order:?}");
        assert_eq!(topic.last(), Some(&resolved(1, "ada", 7)), "{order:?}");
        // Who reads all of it anew, or from the beginning once more, comes to the same, and records nothing.
        for book in [book, Book::default()] {
            for (offset, record) in (0..).zip(&topic) {
                book.take(record.clone(), at(offset));
            }
            assert_eq!(holds(&book, 1).as_deref(), Some("ada"));
        }
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for _ in 0..length {
        let longer = |order: &Vec<usize>| {
            let missing: Vec<usize> = (0..length).filter(|at| !order.contains(at)).collect();
            let order = order.clone();
            missing.into_iter().map(move |at| [order.clone(), vec![at]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[test]
fn reading_anew_what_is_known_records_nothing() {
    let book = Book::default();
    let topic = [pending(1, "hiring"), pending(2, "hiring"), resolved(1, "ada", 7)];
    for _ in 0..2 {
        for (offset, record) in (0..).zip(&topic) {
            assert_eq!(book.take(record.clone(), at(offset)), Taken::default());
        }
    }
    // What this gate has just recorded comes behind whatever is read before it.
    book.take(resolved(2, "ben", 8), None);
    assert_eq!(book.take(pending(2, "hiring"), at(5)).covered, None);
    assert_eq!(book.take(resolved(2, "ben", 8), at(6)), Taken::default());
    assert!(book.take(pending(2, "hiring"), at(7)).covered.is_some());
}

#[test]
fn a_second_resolution_is_noticed() {
    let book = Book::default();
    book.take(resolved(1, "ada", 7), at(0));
    assert!(!book.take(resolved(1, "ada", 7), at(1)).is_second);
    assert!(book.take(resolved(1, "ben", 9), at(2)).is_second);
    assert!(book.take(resolved(1, "cyn", 3), at(3)).is_second);
    assert_eq!(holds(&book, 1).as_deref(), Some("cyn"));
}

#[test]
fn lists_are_by_age_and_can_be_continued() {
    let book = Book::default();
    for number in [3, 1, 4, 2] {
        book.take(pending(number, if number == 4 { "credit" } else { "hiring" }), at(0));
    }
    book.take(resolved(2, "ada", 7), at(1));
    let ids = |(found, more): (Vec<Arc<ReviewMessage>>, bool)| {
        (found.iter().map(|review| review.review_id.parse::<u32>().unwrap()).collect::<Vec<_>>(), more)
    };
    assert_eq!(ids(book.list(ReviewState::Pending, None, None, 10)), (vec![1, 3, 4], false));
    assert_eq!(ids(book.list(ReviewState::Pending, Some("hiring"), None, 1)), (vec![1], true));
    let after = format!("{:036}", 1);
    assert_eq!(ids(book.list(ReviewState::Pending, Some("hiring"), Some(&after), 1)), (vec![3], false));
    assert_eq!(ids(book.list(ReviewState::Resolved, None, None, 10)), (vec![2], false));
    let pending_by_system = BTreeMap::from([("hiring".to_owned(), 2), ("credit".to_owned(), 1)]);
    assert_eq!(book.counts(), Counts { pending_by_system, oldest_created_at: Some(1_001) });
    book.forget(&after);
    assert_eq!(book.counts().oldest_created_at, Some(1_003));
}

#[test]
fn what_there_is_no_room_for_is_counted_and_read_when_there_is() {
    let book = Book::with_bounds(10 * bytes_of(&pending(1, "hiring")), 2 * bytes_of(&resolved(1, "ada", 7)));
    let mut topic: Vec<ReviewMessage> = (0..15).map(|number| pending(number, "hiring")).collect();
    let read = |topic: &[ReviewMessage], is_filling| {
        book.begin(is_filling);
        (0..).zip(topic).for_each(|(offset, review)| assert_eq!(book.take(review.clone(), at(offset)).covered, None));
        book.end();
    };
    let listed = |state| book.list(state, None, None, 100).0.len();
    let waiting = || book.counts().pending_by_system.get("hiring").copied().unwrap_or_default();
    read(&topic, false);
    assert_eq!((listed(ReviewState::Pending), waiting(), book.wants_filling()), (10, 15, false));
    for number in 0..6 {
        book.take(resolved(number, "ada", 7), None);
        topic.push(resolved(number, "ada", 7));
    }
    assert_eq!((listed(ReviewState::Pending), waiting(), book.wants_filling()), (4, 9, true));
    assert_eq!(listed(ReviewState::Resolved), 2, "the last two");
    read(&topic, true);
    assert_eq!((listed(ReviewState::Pending), waiting(), book.has_left_out()), (9, 9, false));
    assert!(book.get(&topic[14].review_id).is_some());
    // One that was opened while it is filled is new, and not forgotten.
    book.begin(true);
    book.take(pending(77, "hiring"), at(30));
    assert!(book.get(&format!("{:036}", 77)).is_some());
}

#[test]
fn a_topic_of_many_that_were_resolved_is_read_once() {
    let book = Book::with_bounds(3 * bytes_of(&pending(1, "hiring")), 2 * bytes_of(&resolved(1, "ada", 7)));
    let all = (0..50).map(|number| pending(number, "hiring")).chain((0..50).map(|number| resolved(number, "ada", 7)));
    (0..).zip(all).for_each(|(offset, review)| drop(book.take(review, at(offset))));
    assert_eq!((book.counts(), book.has_left_out()), (Counts::default(), false));
    // What is not in the topic any more is not waited for for ever.
    (50..60).for_each(|number| drop(book.take(pending(number, "hiring"), at(200 + i64::from(number)))));
    (50..53).for_each(|number| drop(book.take(resolved(number, "ada", 7), None)));
    assert!(book.wants_filling());
    book.begin(true);
    book.end();
    assert_eq!((book.counts(), book.wants_filling()), (Counts::default(), false));
}
