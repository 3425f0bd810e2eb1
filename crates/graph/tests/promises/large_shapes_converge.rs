//! Shapes at which an algorithm shows what it costs. No times are asserted: deliveries and rows read are counted.

use std::sync::Arc;

use quell_domain::{Action, Choice, ChoiceEvent, EventId, Identifier, LinkEvent, Millis};

use crate::deployment::Deployment;
use crate::scenario::{PLAIN, Variant, policy};

/// Something that happens to a deployment.
type Happens = Box<dyn Fn(&mut Deployment)>;

fn cookie(number: usize) -> Identifier {
    Identifier::new("cookie_id", &format!("c{number}")).unwrap()
}

fn account(number: usize) -> Identifier {
    Identifier::new("account_id", &format!("a{number}")).unwrap()
}

fn choice(action: Action, at: i64, who: &Identifier) -> ChoiceEvent {
    let identifiers = vec![who.clone()];
    let event_id = EventId::new(&format!("{action:?} {at}")).unwrap();
    let choice = Arc::new(Choice::new(event_id, action, Millis(at), Millis(at), &identifiers));
    ChoiceEvent { choice, rights: policy(PLAIN).named_by("sale").unwrap(), identifiers }
}

fn link(a: &Identifier, b: &Identifier, at: i64) -> LinkEvent {
    LinkEvent { a: a.clone(), b: b.clone(), holds: true, observed_at: Millis(at) }
}

fn unlink(a: &Identifier, b: &Identifier, at: i64) -> LinkEvent {
    LinkEvent { holds: false, ..link(a, b, at) }
}

fn assert_right(deployment: &mut Deployment) {
    deployment.rest(7);
    let faults = deployment.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_chain_of_1_000() {
    let mut deployment = Deployment::new(policy(PLAIN), 3);
    for number in 1..1_000 {
        deployment.link(&link(&cookie(number - 1), &cookie(number), 1));
    }
    deployment.choose(&choice(Action::OptOut, 1, &cookie(0)), &["sale"]);
    assert_right(&mut deployment);
    assert_eq!(deployment.published.len(), 1_000);

    deployment.link(&unlink(&cookie(499), &cookie(500), 2));
    assert_right(&mut deployment);
    assert_eq!(deployment.relaxations, 500);
}

#[test]
fn a_clique_of_200_tells_everyone_once() {
    let mut deployment = Deployment::new(policy(PLAIN), 3);
    for a in 0..200 {
        (0..a).for_each(|b| deployment.link(&link(&cookie(a), &cookie(b), 1)));
    }
    deployment.choose(&choice(Action::OptOut, 1, &cookie(77)), &["sale"]);
    assert_right(&mut deployment);
    assert_eq!(deployment.statements, 200);

    deployment.choose(&choice(Action::OptIn, 2, &cookie(77)), &["sale"]);
    assert_right(&mut deployment);
    assert_eq!(deployment.relaxations, 200);
}

#[test]
fn a_star_of_200_relaxes_what_leaves_it() {
    let mut deployment = Deployment::new(policy(PLAIN), 3);
    (0..200).for_each(|number| deployment.link(&link(&cookie(0), &account(number), 1)));
    deployment.choose(&choice(Action::OptOut, 1, &account(0)), &["sale"]);
    assert_right(&mut deployment);
    for number in 0..100 {
        deployment.link(&unlink(&cookie(0), &account(number), 2));
    }
    assert_right(&mut deployment);
}

#[test]
fn an_event_at_a_hub_of_100_000_reads_a_few_rows() {
    const NEIGHBOURS: usize = 100_000;
    const ROWS_MAX: u64 = 64;
    const DELIVERIES_MAX: usize = 16;
    let mut deployment = Deployment::new(policy(Variant { limit: Some(5), ..PLAIN }), 1);
    let tablet = cookie(0);
    for number in 0..NEIGHBOURS {
        deployment.link(&link(&tablet, &account(number), 1));
    }
    deployment.rest(7);
    assert!(deployment.is_hub(&tablet));

    let person = account(31_337);
    let events: [(&str, Happens); 7] = [
        (
            "an opt-out at a neighbour",
            Box::new(|to| to.choose(&choice(Action::OptOut, 1, &account(31_337)), &["sale"])),
        ),
        ("another", Box::new(|to| to.choose(&choice(Action::OptOut, 2, &account(4_711)), &["sale"]))),
        ("an opt-in at a neighbour", Box::new(|to| to.choose(&choice(Action::OptIn, 3, &account(31_337)), &["sale"]))),
        ("a link that is known", Box::new(|to| to.link(&link(&cookie(0), &account(5), 2)))),
        ("a new link", Box::new(|to| to.link(&link(&cookie(0), &account(100_001), 2)))),
        ("an unlink", Box::new(|to| to.link(&unlink(&cookie(0), &account(4_711), 3)))),
        ("a neighbour's own link", Box::new(|to| to.link(&link(&cookie(1), &account(31_337), 3)))),
    ];
    for (name, event) in events {
        deployment.rows[0].take_read();
        let deliveries = deployment.deliveries;
        event(&mut deployment);
        deployment.rest(7);
        let (read, delivered) = (deployment.rows[0].take_read(), deployment.deliveries - deliveries);
        assert!(read <= ROWS_MAX, "{name} read {read} rows");
        assert!(delivered <= DELIVERIES_MAX, "{name} took {delivered} deliveries");
    }
    assert!(deployment.published.contains_key(&(person, quell_domain::DownstreamNumber(0))));
    let faults = deployment.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_hub_tells_all_its_neighbours_what_was_chosen_at_it() {
    let mut deployment = Deployment::new(policy(Variant { limit: Some(5), ..PLAIN }), 2);
    (0..10_000).for_each(|number| deployment.link(&link(&cookie(0), &account(number), 1)));
    deployment.rest(7);
    deployment.choose(&choice(Action::OptOut, 1, &cookie(0)), &["sale"]);
    assert_right(&mut deployment);
    assert_eq!(deployment.statements, 10_001);
}
