//! All chance comes from one seed.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

/// Expects a promise not to panic, whatever it is given; without `QUELL_SEED`, with a seed of its own each time.
#[expect(clippy::print_stdout, reason = "the seed is for whoever reads the test's output")]
pub fn check<S: Strategy<Value: Debug>>(cases: u32, strategy: S, promise: impl Fn(S::Value)) {
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number("QUELL_SEED").unwrap_or_else(|| u64::from(clock()));
    let cases = number("QUELL_CASES").map_or(cases, |cases| cases.try_into().unwrap());
    println!("QUELL_SEED={seed} QUELL_CASES={cases}");
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |input| {
        promise(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("QUELL_SEED={seed}\n{failure}");
    }
}
