//! Properties over random scenarios.

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::scenario::{Scenario, any_scenario, growing_scenario};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

/// Runs a property; without `QUELL_SEED`, with a seed of its own each time.
pub fn check<S: std::fmt::Debug>(
    cases: u32,
    strategy: impl proptest::strategy::Strategy<Value = S>,
    faults: impl Fn(&S) -> Vec<String>,
) {
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number("QUELL_SEED").unwrap_or_else(|| u64::from(clock()));
    let cases = number("QUELL_CASES").map_or(cases, |cases| cases.try_into().unwrap());
    println!("QUELL_SEED={seed} QUELL_CASES={cases}");
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |scenario| {
        let faults = faults(&scenario);
        if faults.is_empty() { Ok(()) } else { Err(TestCaseError::fail(faults.join("\n"))) }
    });
    if let Err(failure) = outcome {
        panic!("QUELL_SEED={seed}\n{failure}");
    }
}

#[test]
fn any_order_any_shards_any_crashes() {
    check(20_000, any_scenario(), Scenario::faults);
}

#[test]
fn while_nothing_is_taken_back_nothing_is_relaxed() {
    check(5_000, growing_scenario(), |scenario| {
        let mut deployment = scenario.play();
        deployment.rest(scenario.rest);
        let mut faults = deployment.faults();
        if deployment.relaxations > 0 {
            faults.push(format!("{} relaxations", deployment.relaxations));
        }
        faults
    });
}
