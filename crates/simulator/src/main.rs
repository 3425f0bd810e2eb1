//! `quell-simulator`: many seeds, one after the other; or one, to see it again.

#![allow(clippy::print_stdout, reason = "a command line says what it did")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use quell_simulator::{Broken, Covered, run};

/// Runs several engines over a simulated log, disk and clock, by chance that comes from a seed.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Break a rule on purpose; the run should then fail.
    #[arg(long = "break", value_enum)]
    broken: Option<Broken>,
}

fn main() -> ExitCode {
    let Arguments { seed, runs, broken } = Arguments::parse();
    let (began, mut covered) = (Instant::now(), Covered::default());
    for seed in seed..seed.saturating_add(runs) {
        match run(seed, broken) {
            Ok(one) => covered += one,
            Err(violation) => {
                println!("seed {seed}: {violation}");
                println!("again: make simulate SEED={seed} RUNS=1");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{covered:#?}");
    println!("{runs} runs in {:.1} s, and every invariant held", began.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
