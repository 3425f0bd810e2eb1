//! A node whose relaxation is due, but may not be published yet, is looked at without anything having moved. That look
//! tells nobody anything, and must not pass for the one that a changed policy asks for.

use quell_domain::Action;

use crate::scenario::{PLAIN, Scenario, Step, Variant, Who};

/// Chance met it once in some hundred thousand scenarios: `QUELL_SEED=64015043`.
#[test]
fn a_due_relaxation_hides_no_change_of_policy() {
    let account = Who::One(2);
    let steps = vec![
        Step::Choose { action: Action::OptOut, rights: 5, at: 1, who: account.clone() },
        Step::Deliver(0, 1),
        Step::Seal(0),
        Step::Commit(0),
        // The relaxation of admt waits, which has nothing to do with the downstream below.
        Step::Choose { action: Action::OptIn, rights: 4, at: 2, who: account },
        Step::Deliver(0, 1),
        Step::Seal(0),
        Step::Commit(0),
        // One downstream takes sale, too.
        Step::Policy(Variant { more: true, ..PLAIN }),
        // The node is touched while the relaxation is due and may not be published: an odd time.
        Step::Link { a: 2, b: 0, holds: true, at: 1 },
        Step::Deliver(0, 9),
        Step::Seal(61),
        Step::Commit(0),
    ];
    let scenario = Scenario { policy: PLAIN, shards: 1, cast: 3, steps, rest: 0 };
    assert_eq!(scenario.faults(), Vec::<String>::new());
}
