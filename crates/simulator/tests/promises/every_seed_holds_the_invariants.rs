//! Several engines, crashes between any two steps, zombies, hand-overs, late markers: thousands of seeds, other ones each
//! time. `QUELL_SEED` begins at a known one, `QUELL_RUNS` says how many.

use quell_simulator::{Covered, run};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

#[test]
fn every_seed_holds_the_invariants() {
    let clock = || u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
    let first = number("QUELL_SEED").unwrap_or_else(clock);
    let runs = number("QUELL_RUNS").unwrap_or(6_000);
    println!("QUELL_SEED={first} QUELL_RUNS={runs}");
    let mut covered = Covered::default();
    for seed in first..first + runs {
        match run(seed, None) {
            Ok(one) => covered += one,
            Err(violation) => panic!("{violation}\nagain: make simulate SEED={seed}"),
        }
    }
    println!("{covered:#?}");
    // An idle simulation holds every invariant, too.
    let each = [
        covered.crashes,
        covered.wiped_disks,
        covered.expelled,
        covered.left,
        covered.timed_out,
        covered.warm_take_overs,
        covered.completions,
    ];
    assert!(runs < 1_000 || each.into_iter().all(|count| count > 0), "not everything happened");
    assert!(runs < 1_000 || covered.relaxations > 0, "nothing was relaxed");
}
