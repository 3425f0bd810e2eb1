//! Restrict at once, relax with care.

use std::sync::Arc;

use quell_domain::{Action, Choice, ChoiceEvent, DownstreamNumber, EventId, Identifier, Millis};

use crate::deployment::{Deployment, RELAX_AFTER};
use crate::scenario::{PLAIN, policy};

const ADS: DownstreamNumber = DownstreamNumber(0);

fn person() -> Identifier {
    Identifier::new("cookie_id", "laptop").unwrap()
}

fn choose(deployment: &mut Deployment, action: Action, at: i64) {
    let event_id = EventId::new(&format!("e{at}")).unwrap();
    let identifiers = vec![person()];
    let choice = Arc::new(Choice::new(event_id, action, Millis(at), Millis(at), &identifiers));
    deployment.choose(&ChoiceEvent { choice, rights: policy(PLAIN).named_by("sale").unwrap(), identifiers }, &["sale"]);
    deployment.deliver(0);
}

/// An epoch that ends so many milliseconds later.
fn epoch(deployment: &mut Deployment, later: u64, may_relax: bool) {
    deployment.now.0 += i64::try_from(later).unwrap();
    deployment.seal(may_relax);
    deployment.commit(0);
}

fn opted_out(deployment: &Deployment) -> Option<bool> {
    let published = deployment.published.get(&(person(), ADS))?;
    Some(published.rights.iter().any(|(_, state)| state.opted_out))
}

fn wait_millis() -> u64 {
    u64::try_from(RELAX_AFTER.as_millis()).unwrap()
}

#[test]
fn a_restriction_is_published_in_the_epoch_that_finds_it() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptOut, 1);
    epoch(&mut deployment, 0, false);
    assert_eq!(opted_out(&deployment), Some(true));
}

#[test]
fn a_first_opt_in_lifts_nothing_and_is_published_at_once() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptIn, 1);
    epoch(&mut deployment, 0, false);
    assert_eq!(opted_out(&deployment), Some(false));
}

#[test]
fn a_relaxation_is_published_once_it_has_held_long_enough() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptOut, 1);
    epoch(&mut deployment, 0, true);
    choose(&mut deployment, Action::OptIn, 2);
    epoch(&mut deployment, 0, true);
    epoch(&mut deployment, wait_millis() - 1, true);
    assert_eq!(opted_out(&deployment), Some(true));
    epoch(&mut deployment, 1, true);
    assert_eq!(opted_out(&deployment), Some(false));
}

#[test]
fn a_relaxation_does_not_happen_while_messages_wait() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptOut, 1);
    epoch(&mut deployment, 0, true);
    choose(&mut deployment, Action::OptIn, 2);
    epoch(&mut deployment, 0, true);
    epoch(&mut deployment, 10 * wait_millis(), false);
    assert_eq!(opted_out(&deployment), Some(true));
    epoch(&mut deployment, 0, true);
    assert_eq!(opted_out(&deployment), Some(false));
}

#[test]
fn an_opt_out_in_the_meantime_ends_the_wait() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptOut, 1);
    epoch(&mut deployment, 0, true);
    choose(&mut deployment, Action::OptIn, 2);
    epoch(&mut deployment, 0, true);
    choose(&mut deployment, Action::OptOut, 3);
    epoch(&mut deployment, wait_millis() - 1, true);
    choose(&mut deployment, Action::OptIn, 4);
    epoch(&mut deployment, 0, true);
    epoch(&mut deployment, wait_millis() - 1, true);
    assert_eq!(opted_out(&deployment), Some(true), "the wait begins anew");
    epoch(&mut deployment, 1, true);
    assert_eq!(opted_out(&deployment), Some(false));
    assert_eq!(deployment.relaxations, 1);
}

#[test]
fn a_crash_neither_loses_nor_prolongs_the_wait() {
    let mut deployment = Deployment::new(policy(PLAIN), 1);
    choose(&mut deployment, Action::OptOut, 1);
    epoch(&mut deployment, 0, true);
    choose(&mut deployment, Action::OptIn, 2);
    epoch(&mut deployment, 0, true);
    deployment.now.0 += i64::try_from(wait_millis() - 1).unwrap();
    deployment.abort();
    epoch(&mut deployment, 0, true);
    assert_eq!(opted_out(&deployment), Some(true));
    deployment.abort();
    epoch(&mut deployment, 1, true);
    assert_eq!(opted_out(&deployment), Some(false));
}
