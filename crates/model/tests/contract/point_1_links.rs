use quell_domain::LinkEvent;

use crate::events::{cookie, holds, link, opt_out, unlink};

/// Whether an opt-out at one end of the pair reaches the other.
fn are_linked(links: &[LinkEvent]) -> bool {
    let (a, b) = (cookie("a"), cookie("b"));
    holds(&[opt_out("e", 1, "sale", &[&a])], links, &b, "sale") != "-"
}

#[test]
fn a_link_is_an_edge_in_both_directions() {
    let (a, b) = (cookie("a"), cookie("b"));
    assert!(are_linked(&[link(&a, &b, 5)]));
    assert!(are_linked(&[link(&b, &a, 5)]));
    assert!(!are_linked(&[]));
}

#[test]
fn the_latest_event_of_a_pair_holds_in_whatever_order_they_come() {
    let (a, b) = (cookie("a"), cookie("b"));
    assert!(!are_linked(&[link(&a, &b, 5), unlink(&a, &b, 6)]));
    assert!(!are_linked(&[unlink(&b, &a, 6), link(&a, &b, 5)]));
    assert!(are_linked(&[unlink(&a, &b, 6), link(&a, &b, 5), link(&b, &a, 7)]));
}

#[test]
fn at_the_same_time_a_link_wins() {
    let (a, b) = (cookie("a"), cookie("b"));
    assert!(are_linked(&[link(&a, &b, 5), unlink(&a, &b, 5)]));
    assert!(are_linked(&[unlink(&a, &b, 5), link(&b, &a, 5)]));
}

#[test]
fn a_repeat_changes_nothing() {
    let (a, b) = (cookie("a"), cookie("b"));
    assert!(!are_linked(&[unlink(&a, &b, 6), link(&a, &b, 5), link(&a, &b, 5), link(&b, &a, 5)]));
}
