use crate::events::{account, cookie, holds, link, opt_in, opt_out};

#[test]
fn any_standing_choice_of_the_same_action_may_be_named() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("a", 1, "sale", &[&x]), opt_out("b", 2, "sale", &[&x]), opt_out("c", 3, "sale", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &x, "sale"), "out: a b c*");
}

/// Opted out at 3, opted out at 7; a late opt-in at 5 leaves the state as it is and takes the first one's standing.
#[test]
fn a_late_opt_in_between_two_opt_outs_supersedes_the_first() {
    let x = cookie("x");
    let outs = [opt_out("first", 3, "sale", &[&x]), opt_out("second", 7, "sale", &[&x])];
    assert_eq!(holds(&outs, &[], &x, "sale"), "out: first second");
    let late = [&outs[..], &[opt_in("late", 5, "sale", &[&x])]].concat();
    assert_eq!(holds(&late, &[], &x, "sale"), "out: second");
}

#[test]
fn an_opt_in_supersedes_at_the_identifiers_that_it_names_alone() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("out", 3, "sale", &[&x, &y]), opt_in("in", 5, "sale", &[&x])];
    let links = [link(&x, &y, 1)];
    // It names x, too, although it is at y that it stands: so it is not inherited.
    assert_eq!(holds(&choices, &links, &x, "sale"), "out: out");
    assert_eq!(holds(&choices, &links, &y, "sale"), "out: out");
}

#[test]
fn an_opt_in_for_another_right_supersedes_nothing() {
    let x = cookie("x");
    let choices = [opt_out("out", 3, "sale", &[&x]), opt_in("in", 5, "sharing", &[&x])];
    assert_eq!(holds(&choices, &[], &x, "sale"), "out: out");
}

#[test]
fn an_opt_in_at_the_same_time_does_not_supersede_an_opt_out_but_is_superseded_by_it() {
    let x = cookie("x");
    let choices = [opt_out("out", 5, "sale", &[&x]), opt_in("z", 5, "sale", &[&x])];
    assert_eq!(holds(&choices, &[], &x, "sale"), "out: out");
    let again = [&choices[..], &[opt_in("again", 6, "sale", &[&x])]].concat();
    assert_eq!(holds(&again, &[], &x, "sale"), "in: again");
}

#[test]
fn an_opt_in_before_an_opt_out_of_its_identifier_is_not_named_for_an_opt_in_elsewhere() {
    let (x, y) = (cookie("x"), account("y"));
    let choices =
        [opt_in("a", 1, "sharing", &[&x]), opt_out("b", 2, "sharing", &[&x]), opt_in("c", 3, "sharing", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &x, "sharing"), "in: c*");
}

/// Under `latest_wins` an older choice of the winning action is as good a reason as the newest.
#[test]
fn latest_wins_may_name_an_older_choice_of_the_same_action() {
    let (x, y) = (cookie("x"), account("y"));
    let choices =
        [opt_out("a", 1, "sharing", &[&x]), opt_in("b", 2, "sharing", &[&y]), opt_out("c", 3, "sharing", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &y, "sharing"), "out: a* c");
}

#[test]
fn a_choice_that_names_the_identifier_is_not_inherited_though_it_stands_elsewhere_too() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("both", 1, "sale", &[&x, &y]), opt_out("other", 1, "sale", &[&y])];
    assert_eq!(holds(&choices, &[link(&x, &y, 1)], &x, "sale"), "out: both other*");
}
