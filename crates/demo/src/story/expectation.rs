//! What a step of the story must bring about, and when it has.

use std::time::Duration;

use quell_domain::Policy;
use quell_wire::SuppressionMessage;

use super::cast::Part;
use crate::watcher::Heard;

/// What becomes of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// Opted out.
    OptedOut,
    /// Opted out once, and back in.
    BackIn,
    /// No choice is in reach any more.
    Unchosen,
}

/// What all downstreams concerned are to hear of somebody.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Of whom.
    pub whom: Part,
    /// Of which right.
    pub right: &'static str,
    /// What they are to hear.
    pub becomes: Becomes,
    /// Whether the choice was made elsewhere.
    pub inherited: bool,
    /// Whether it lifts an opt-out, and so must be held.
    pub relaxes: bool,
}

impl Expectation {
    /// Whether a message says so.
    #[must_use]
    pub fn is_met_by(&self, suppression: &SuppressionMessage) -> bool {
        match (suppression.rights.get(self.right), self.becomes) {
            (None, becomes) => becomes == Becomes::Unchosen,
            (Some(_), Becomes::Unchosen) => false,
            (Some(state), becomes) => {
                state.opted_out == (becomes == Becomes::OptedOut) && state.inherited == self.inherited
            }
        }
    }

    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let inherited = if self.inherited { ", inherited" } else { "" };
        match self.becomes {
            Becomes::OptedOut => format!("{} opted out{inherited}", self.right),
            Becomes::BackIn => format!("{} back in{inherited}", self.right),
            Becomes::Unchosen => format!("{}: no choice reaches it any more", self.right),
        }
    }
}

/// One message that must come.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which of the expectations it meets, by its place.
    pub expectation: usize,
    /// Who is to hear it.
    pub downstream: String,
    /// The key of the message.
    pub key: String,
    /// When it came, after its cause was sent, and what it says.
    pub arrived: Option<(Duration, SuppressionMessage)>,
}

/// The messages that expectations mean under a policy: one for each downstream that takes the type and the right.
#[must_use]
pub fn wanted(policy: &Policy, expectations: &[Expectation]) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (place, expectation) in expectations.iter().enumerate() {
        let identifier = &expectation.whom.identifier;
        let (Some(number), Some(right)) = (policy.type_number(identifier), policy.right(expectation.right)) else {
            continue;
        };
        let concerned = policy
            .downstreams()
            .iter()
            .filter(|downstream| downstream.takes(number) && downstream.rights.contains(right));
        wanted.extend(concerned.map(|downstream| Wanted {
            expectation: place,
            downstream: downstream.name.clone(),
            key: identifier.key(),
            arrived: None,
        }));
    }
    wanted
}

/// Notes what has arrived; true once all has.
pub fn note(wanted: &mut [Wanted], expectations: &[Expectation], heard: &Heard, after: Duration) -> bool {
    for open in wanted.iter_mut().filter(|wanted| wanted.arrived.is_none()) {
        let meets = expectations.get(open.expectation).is_some_and(|known| known.is_met_by(&heard.suppression));
        if meets && open.downstream == heard.downstream && open.key == heard.key {
            open.arrived = Some((after, heard.suppression.clone()));
        }
    }
    wanted.iter().all(|wanted| wanted.arrived.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;
    use std::time::Instant;

    use quell_wire::{NamedIdentifier, RightMessage};

    use super::*;
    use crate::story::cast::Cast;
    use crate::tests::policy;

    fn expectation(whom: &Part, becomes: Becomes, inherited: bool) -> Expectation {
        Expectation { whom: whom.clone(), right: "sale", becomes, inherited, relaxes: false }
    }

    fn heard(downstream: &str, key: &str, sale: Option<(bool, bool)>) -> Heard {
        let state = sale.map(|(opted_out, inherited)| RightMessage {
            opted_out,
            choice_id: "choice".to_owned(),
            since: 0,
            inherited,
            due_at: 0,
        });
        let suppression = SuppressionMessage {
            identifier: NamedIdentifier::new("cookie_id", "x"),
            downstream: downstream.to_owned(),
            version: 1,
            suppressed: sale.is_some_and(|(opted_out, _)| opted_out),
            rights: state.map(|state| ("sale".to_owned(), state)).into_iter().collect::<BTreeMap<_, _>>(),
            published_at: 0,
        };
        Heard { downstream: downstream.to_owned(), key: key.to_owned(), suppression, at: Instant::now() }
    }

    #[test]
    fn a_cookie_is_told_to_those_who_know_cookies_and_an_account_to_those_who_know_accounts() {
        let (policy, cast) = (policy(), Cast::new(&policy(), "t", 6).unwrap());
        let expectations =
            [expectation(&cast.laptop, Becomes::OptedOut, false), expectation(&cast.account, Becomes::OptedOut, true)];
        let told: Vec<_> = wanted(&policy, &expectations).into_iter().map(|one| (one.downstream, one.key)).collect();
        let pair = |downstream: &str, key: &str| (downstream.to_owned(), key.to_owned());
        assert_eq!(
            told,
            [
                pair("ads", "cookie_id:laptop-cookie-t"),
                pair("analytics", "cookie_id:laptop-cookie-t"),
                pair("analytics", "account_id:jane-account-t"),
            ]
        );
    }

    #[test]
    fn only_what_was_wanted_counts_as_arrived() {
        let (policy, cast) = (policy(), Cast::new(&policy(), "t", 6).unwrap());
        let expectations = [expectation(&cast.laptop, Becomes::OptedOut, true)];
        let mut open = wanted(&policy, &expectations);
        let key = "cookie_id:laptop-cookie-t";
        let mut note =
            |downstream, key, sale| note(&mut open, &expectations, &heard(downstream, key, sale), Duration::ZERO);
        assert!(!note("ads", key, Some((true, false))), "not inherited");
        assert!(!note("ads", key, Some((false, true))), "opted in");
        assert!(!note("ads", key, None), "no choice");
        assert!(!note("ads", "cookie_id:another", Some((true, true))));
        assert!(!note("ads", key, Some((true, true))), "analytics is still missing");
        assert!(note("analytics", key, Some((true, true))));
    }
}
