use quell_domain::Millis;

use crate::events::{RECEIVED_AT, cookie, opt_out, policy};

/// 2026-12-15 23:59:59.999 in Los Angeles: the contract's own example.
#[test]
fn received_on_monday_2026_11_23_is_due_at_the_end_of_2026_12_15() {
    let event = opt_out("e", 1, "sale", &[&cookie("x")]);
    assert_eq!(event.choice.received_at, RECEIVED_AT);
    assert_eq!(policy().calendar().due_at(event.choice.received_at), Millis(1_797_407_999_999));
}
