use quell_domain::{ChoiceEvent, Identifier, LinkEvent};
use quell_model::{World, final_state};

use crate::events::{account, cookie, device, link, opt_in, opt_out, policy, unlink};

/// As many events as a long test run has. How long it takes is not asserted: machines differ.
#[test]
fn the_state_of_a_million_mixed_events_is_computed_in_one_go() {
    const CONSUMERS: usize = 125_000;
    let mut world = World::default();
    for consumer in 0..CONSUMERS {
        let [a, b, c, d] = consumer_identifiers(consumer);
        world.links.extend([link(&a, &b, 1), link(&c, &b, 1), link(&b, &d, 1), unlink(&b, &d, 2)]);
        world.links.push(link(&b, &cookie("shared"), 1));
        world.choices.extend([opt_out("a", 1, "sale", &[&a]), opt_in("b", 2, "sharing", &[&b, &c])]);
        world.choices.push(opt_out("c", 3, "sale", &[&d]));
    }
    let events = world.choices.len() + world.links.len();
    assert_eq!(events, 1_000_000);

    let policy = policy();
    let state = final_state(policy, &world);
    let opted_out = state.identifiers().filter(|identifier| {
        state.of(identifier).is_some_and(|known| known.rights.contains_key(&policy.right("sale").unwrap()))
    });
    assert_eq!(opted_out.count(), 4 * CONSUMERS + 1);
}

fn consumer_identifiers(consumer: usize) -> [Identifier; 4] {
    let name = |part: &str| format!("{consumer}-{part}");
    [cookie(&name("a")), account(&name("b")), cookie(&name("c")), device(&name("d"))]
}

/// The order of the events and their repeats are no matter.
#[test]
fn the_state_is_a_function_of_the_set_of_events() {
    let (x, y, z) = (cookie("x"), account("y"), device("z"));
    let choices: Vec<ChoiceEvent> =
        vec![opt_out("a", 1, "sale", &[&x]), opt_in("b", 2, "sale", &[&x, &y]), opt_out("c", 2, "sale", &[&z])];
    let links: Vec<LinkEvent> = vec![link(&x, &y, 1), link(&y, &z, 1), unlink(&x, &y, 2), link(&y, &x, 2)];
    let forwards = World { choices: choices.clone(), links: links.clone() };
    let backwards = World {
        choices: choices.iter().rev().chain(&choices).cloned().collect(),
        links: links.iter().rev().chain(&links).cloned().collect(),
    };

    let policy = policy();
    let (forwards, backwards) = (final_state(policy, &forwards), final_state(policy, &backwards));
    let sale = policy.right("sale").unwrap();
    for identifier in [&x, &y, &z] {
        let [one, other] = [&forwards, &backwards].map(|state| {
            let effective = &state.of(identifier).unwrap().rights[&sale];
            let mut ids: Vec<&str> =
                effective.may_be_named.iter().map(|event| event.choice.event_id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            (effective.action, ids)
        });
        assert_eq!(one, other);
    }
}
