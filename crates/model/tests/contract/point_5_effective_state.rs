use crate::events::{account, cookie, holds, link, opt_in, opt_out};

#[test]
fn opt_out_wins_over_any_opt_in_elsewhere() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("out", 1, "sale", &[&x]), opt_in("in", 9, "sale", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &x, "sale"), "out: out");
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sale"), "out: out*");
}

#[test]
fn an_opt_in_lifts_what_was_opted_out_at_the_identifiers_that_it_names() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("out", 1, "sale", &[&x]), opt_in("in", 9, "sale", &[&x])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sale"), "in: in*");
}

#[test]
fn latest_wins_asks_when_and_not_where() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("out", 1, "sharing", &[&x]), opt_in("in", 9, "sharing", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &x, "sharing"), "in: in*");
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sharing"), "in: in");
}

#[test]
fn at_the_same_time_in_different_places_an_opt_out_wins() {
    let (x, y) = (cookie("x"), account("y"));
    for right in ["sale", "sharing"] {
        let choices = [opt_out("a", 3, right, &[&x]), opt_in("b", 3, right, &[&y])];
        assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, right), "out: a*");
    }
}

#[test]
fn each_right_is_joined_by_itself() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("a", 1, "sale", &[&x]), opt_out("b", 1, "sharing", &[&x]), opt_in("c", 2, "sharing", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sale"), "out: a*");
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sharing"), "in: c");
}

/// An own choice that is superseded at its own identifier joins nothing, however late it is elsewhere.
#[test]
fn latest_wins_joins_own_choices() {
    let (x, y) = (cookie("x"), account("y"));
    let choices =
        [opt_out("a", 5, "sharing", &[&x]), opt_in("b", 6, "sharing", &[&x]), opt_out("c", 4, "sharing", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sharing"), "in: b*");
}
