use quell_domain::{ChoiceEvent, EventId, Identifier, LinkEvent, Millis, RightState};
use quell_model::{World, final_state};

use crate::events::{RECEIVED_AT, account, cookie, device, link, opt_in, opt_out, policy, unlink};

/// What a message that names the choice `id` made at `since` says.
fn state(opted_out: bool, id: &str, since: i64, inherited: bool) -> RightState {
    let due_at = policy().calendar().due_at(RECEIVED_AT);
    RightState { opted_out, choice_id: EventId::new(id).unwrap(), since: Millis(since), inherited, due_at }
}

/// In what a message differs from what holds.
fn disagreements(
    (choices, links): (&[ChoiceEvent], &[LinkEvent]),
    (downstream, identifier): (&str, &Identifier),
    published: Option<&[(&str, RightState)]>,
) -> Vec<String> {
    let policy = policy();
    let world = World { choices: choices.to_vec(), links: links.to_vec() };
    let published: Option<Vec<_>> = published
        .map(|rights| rights.iter().map(|(name, state)| (policy.right(name).unwrap(), state.clone())).collect());
    let downstream = policy.downstream(downstream).unwrap();
    final_state(policy, &world).disagreements(policy, downstream, identifier, published.as_deref())
}

fn opted_out_and_linked() -> ([ChoiceEvent; 2], [LinkEvent; 1]) {
    let (x, y) = (cookie("x"), account("y"));
    ([opt_out("a", 1, "sale", &[&x]), opt_out("b", 2, "sale", &[&x])], [link(&x, &y, 1)])
}

#[test]
fn a_message_says_what_holds_and_names_a_choice_that_may_be_named() {
    let (choices, links) = opted_out_and_linked();
    let events = (&choices[..], &links[..]);
    let none: [String; 0] = [];
    for (id, since) in [("a", 1), ("b", 2)] {
        assert_eq!(
            disagreements(events, ("ads", &cookie("x")), Some(&[("sale", state(true, id, since, false))])),
            none
        );
        assert_eq!(
            disagreements(events, ("ads", &account("y")), Some(&[("sale", state(true, id, since, true))])),
            none
        );
    }
}

#[test]
fn each_wrong_part_of_a_message_is_a_disagreement() {
    let (choices, links) = opted_out_and_linked();
    let events = (&choices[..], &links[..]);
    let right = state(true, "a", 1, false);
    let wrong = [
        RightState { opted_out: false, ..right.clone() },
        RightState { choice_id: EventId::new("c").unwrap(), ..right.clone() },
        RightState { since: Millis(2), ..right.clone() },
        RightState { inherited: true, ..right.clone() },
        RightState { due_at: Millis(right.due_at.0 + 1), ..right.clone() },
    ];
    for wrong in wrong {
        let found = disagreements(events, ("ads", &cookie("x")), Some(&[("sale", wrong.clone())]));
        assert_eq!(found.len(), 1, "{wrong:?}");
    }
}

#[test]
fn a_disagreement_tells_who_what_and_what_instead() {
    let (choices, links) = opted_out_and_linked();
    let events = (&choices[..1], &links[..]);
    let found = disagreements(events, ("ads", &cookie("x")), Some(&[("sale", state(true, "z", 1, false))]));
    let wrong = state(true, "z", 1, false);
    let right = state(true, "a", 1, false);
    assert_eq!(found, [format!("{} for ads, sale: {wrong:?}: may say one of 1: {right:?}", cookie("x"))]);
}

#[test]
fn a_missing_message_is_a_disagreement_and_so_is_one_without_reason() {
    let (choices, links) = opted_out_and_linked();
    let events = (&choices[..], &links[..]);
    for nothing in [None, Some(&[][..])] {
        assert_eq!(disagreements(events, ("ads", &account("y")), nothing).len(), 1);
    }
    let both = [("sale", state(true, "a", 1, true)), ("sharing", state(true, "a", 1, true))];
    assert_eq!(disagreements(events, ("ads", &account("y")), Some(&both)).len(), 1);
    let twice = [("sale", state(true, "a", 1, true)), ("sale", state(true, "a", 1, true))];
    assert_eq!(disagreements(events, ("ads", &account("y")), Some(&twice)).len(), 1);
}

#[test]
fn a_downstream_is_told_of_its_rights_and_types_alone() {
    let (x, y, z) = (cookie("x"), account("y"), device("z"));
    let choices = [opt_out("a", 1, "sale", &[&x, &y, &z]), opt_in("b", 1, "admt:credit", &[&x, &y, &z])];
    let events = (&choices[..], &[][..]);
    let none: [String; 0] = [];
    assert_eq!(disagreements(events, ("ads", &x), Some(&[("sale", state(true, "a", 1, false))])), none);
    assert_eq!(disagreements(events, ("ml", &y), Some(&[("admt:credit", state(false, "b", 1, false))])), none);
    for (downstream, identifier) in [("ads", &z), ("ml", &x), ("ml", &z)] {
        assert_eq!(disagreements(events, (downstream, identifier), None), none);
        assert_eq!(
            disagreements(events, (downstream, identifier), Some(&[("sale", state(true, "a", 1, false))])).len(),
            1
        );
    }
}

/// It had a choice in reach and has none left; whether it once got a message does not show in the final state.
#[test]
fn no_message_and_a_message_without_rights_are_the_same() {
    let (x, y) = (cookie("x"), account("y"));
    let choices = [opt_out("a", 1, "sale", &[&x])];
    let links = [link(&x, &y, 1), unlink(&x, &y, 2)];
    let none: [String; 0] = [];
    for published in [None, Some(&[][..])] {
        assert_eq!(disagreements((&choices, &links), ("ads", &y), published), none);
        assert_eq!(disagreements((&choices, &links), ("ads", &account("unheard of")), published), none);
    }
}
