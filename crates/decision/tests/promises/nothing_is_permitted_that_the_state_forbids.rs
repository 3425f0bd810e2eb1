//! Whatever comes in whatever order, with hashes that are shared, records that cannot be read and clocks that jump: a
//! permit is one that the naive model gives, too; and where all can be read, so is a deny.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use quell_decision::{Change, Freshness, Question, Rules, State, Subject, Suppressions, decide};
use quell_domain::{Millis, OptOut, UnknownSubject};

use crate::copy::{Crowded, MemoryCopy, account, holds};
use crate::every_reason_has_its_question::POLICY;

const NAMES: [&str; 6] = ["admt", "admt:hiring", "admt:credit", "admt:support", "sensitive_pi", "sale"];
const SYSTEMS: [&str; 5] = ["hiring", "credit", "pricing", "support", "unheard-of"];
const ACTIONS: [&str; 3] = ["infer", "train", "explain"];

#[derive(Clone, Debug)]
enum Step {
    /// A record for an identifier; of each right: nothing, opted out, opted in.
    Holds(u8, i64, Vec<u8>),
    Gone(u8),
    Ask(u8, usize, usize, bool, Option<i64>),
    /// The record of so many ago cannot be read any more.
    Break(u64),
}

fn steps(with_broken_records: bool) -> impl Strategy<Value = Vec<Step>> {
    let broken = if with_broken_records { 1 } else { 0 };
    let step = prop_oneof![
        6 => (0u8..8, 1i64..6, prop::collection::vec(0u8..3, NAMES.len()))
            .prop_map(|(who, version, rights)| Step::Holds(who, version, rights)),
        1 => (0u8..8).prop_map(Step::Gone),
        8 => (0u8..8, 0..SYSTEMS.len(), 0..ACTIONS.len(), any::<bool>(), prop::option::of(-20_000i64..20_000))
            .prop_map(|(who, system, action, review, age)| Step::Ask(who, system, action, review, age)),
        broken => (0u64..40).prop_map(Step::Break),
    ];
    prop::collection::vec(step, 1..120)
}

/// The contract read aloud: which permits there are.
fn permits(rules: &Rules, state: Option<&State>, system: &str, action: &str, review: bool, age: Option<i64>) -> bool {
    let Some(system) = rules.systems().iter().find(|known| known.name == system) else { return false };
    if action == "explain" {
        return false;
    }
    let out =
        |name: &str| state.is_some_and(|state| state.rights.iter().any(|right| right.name == name && right.opted_out));
    let admt = out("admt") || out(&format!("admt:{}", system.name));
    let is_stopped = (admt && system.opt_out == OptOut::Required) || (action == "train" && out("sensitive_pi"));
    let is_fresh = age.is_some_and(|age| age <= 10_000);
    let is_known = state.is_some_and(|state| !state.rights.is_empty());
    let is_looked_at = match system.name.as_str() {
        "support" => true,
        "pricing" => false,
        _ => review,
    };
    !is_stopped && is_fresh && (is_known || system.unknown_subject == UnknownSubject::Permit) && !is_looked_at
}

fn check(steps: Vec<Step>, exactly: bool) -> Result<(), TestCaseError> {
    let (suppressions, copy) = (Suppressions::new(Crowded::default()), MemoryCopy::default());
    let rules = Rules::parse(POLICY, String::new(), "ml", "admt_system", suppressions.right_bits()).unwrap();
    let mut model: BTreeMap<u8, State> = BTreeMap::new();
    let identifier = |who: u8| account(&format!("a-{who}"));
    let now = Millis(5_000_000);
    for step in steps {
        match step {
            Step::Holds(who, version, rights) => {
                let rights: Vec<(&str, bool)> = NAMES
                    .iter()
                    .zip(rights)
                    .filter(|(_, state)| *state > 0)
                    .map(|(name, state)| (*name, state == 1))
                    .collect();
                let change = holds(&identifier(who), version, &rights);
                suppressions.apply(&change, copy.append(&change), &copy);
                let Change::Holds(state) = change else { unreachable!() };
                let is_older = model.get(&who).is_some_and(|known| known.version > state.version);
                match (is_older, rights.is_empty()) {
                    (true, _) => {}
                    (false, true) => drop(model.remove(&who)),
                    (false, false) => drop(model.insert(who, state)),
                }
            }
            Step::Gone(who) => {
                let change = Change::Gone(identifier(who));
                suppressions.apply(&change, copy.append(&change), &copy);
                model.remove(&who);
            }
            Step::Break(back) => drop(copy.unreadable.borrow_mut().insert(copy.len().saturating_sub(back + 1))),
            Step::Ask(who, system, action, wants_review, age) => {
                let subject = Subject::Identified(identifier(who));
                let (system, action) = (SYSTEMS[system], ACTIONS[action]);
                let question =
                    Question { subject: &subject, resource_type: "admt_system", system, action, wants_review };
                let freshness = Freshness { as_of: age.map(|age| Millis(now.0 - age)), now };
                let verdict = decide(&rules, &suppressions, &copy, question, freshness);
                let may = permits(&rules, model.get(&who), system, action, wants_review, age);
                prop_assert!(may || !verdict.permits(), "permitted as {}: {:?}", verdict.reason, model.get(&who));
                prop_assert!(
                    !exactly || may == verdict.permits(),
                    "not permitted as {}: {:?}",
                    verdict.reason,
                    model.get(&who)
                );
            }
        }
    }
    prop_assert!(!exactly || suppressions.len() == model.len());
    Ok(())
}

/// The faults that this has found took some hundred.
const CASES: u32 = 5_000;

fn tried(with_broken_records: bool) {
    let config = Config { cases: CASES, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner.run(&steps(with_broken_records), |steps| check(steps, !with_broken_records)).unwrap();
}

#[test]
fn where_all_can_be_read_the_answer_is_the_models() {
    tried(false);
}

#[test]
fn whatever_cannot_be_read_a_permit_is_the_models() {
    tried(true);
}
