use crate::events::{account, cookie, holds, opt_in, opt_out};

#[test]
fn the_latest_choice_of_an_identifier_and_right_holds() {
    let x = cookie("x");
    let (out, back_in) = (opt_out("a", 3, "sale", &[&x]), opt_in("b", 4, "sale", &[&x]));
    assert_eq!(holds(&[out.clone(), back_in.clone()], &[], &x, "sale"), "in: b");
    assert_eq!(holds(&[back_in, out], &[], &x, "sale"), "in: b");
}

#[test]
fn at_the_same_time_an_opt_out_wins_whatever_the_ids() {
    let x = cookie("x");
    for right in ["sale", "sharing"] {
        assert_eq!(holds(&[opt_in("b", 3, right, &[&x]), opt_out("a", 3, right, &[&x])], &[], &x, right), "out: a");
        assert_eq!(holds(&[opt_in("a", 3, right, &[&x]), opt_out("b", 3, right, &[&x])], &[], &x, right), "out: b");
    }
}

/// The greater id holds, but both brought the state about: point 7 asks for no more than that.
#[test]
fn of_two_equal_choices_either_may_be_named() {
    let x = cookie("x");
    assert_eq!(holds(&[opt_out("a", 3, "sale", &[&x]), opt_out("b", 3, "sale", &[&x])], &[], &x, "sale"), "out: a b");
}

#[test]
fn a_choice_is_about_the_rights_and_identifiers_that_it_names_alone() {
    let (x, y) = (cookie("x"), cookie("y"));
    let events = [opt_out("a", 3, "sale", &[&x]), opt_in("b", 4, "sharing", &[&x, &y])];
    assert_eq!(holds(&events, &[], &x, "sale"), "out: a");
    assert_eq!(holds(&events, &[], &x, "sharing"), "in: b");
    assert_eq!(holds(&events, &[], &y, "sale"), "-");
}

#[test]
fn admt_covers_each_of_its_systems_and_none_covers_admt() {
    let x = account("x");
    let all = [opt_out("a", 3, "admt", &[&x])];
    for right in ["admt", "admt:hiring", "admt:credit"] {
        assert_eq!(holds(&all, &[], &x, right), "out: a");
    }
    let one = [opt_out("a", 3, "admt:hiring", &[&x])];
    assert_eq!(holds(&one, &[], &x, "admt:hiring"), "out: a");
    assert_eq!(holds(&one, &[], &x, "admt:credit"), "-");
    assert_eq!(holds(&one, &[], &x, "admt"), "-");
}

#[test]
fn a_system_can_be_opted_in_again_by_itself() {
    let x = account("x");
    let events = [opt_out("a", 3, "admt", &[&x]), opt_in("b", 4, "admt:hiring", &[&x])];
    assert_eq!(holds(&events, &[], &x, "admt"), "out: a");
    assert_eq!(holds(&events, &[], &x, "admt:hiring"), "in: b");
    assert_eq!(holds(&events, &[], &x, "admt:credit"), "out: a");
}

#[test]
fn two_events_under_one_id_are_two_events() {
    let x = cookie("x");
    assert_eq!(holds(&[opt_out("a", 3, "sale", &[&x]), opt_in("a", 4, "sale", &[&x])], &[], &x, "sale"), "in: a");
}
