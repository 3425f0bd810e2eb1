//! The command line of the benchmark.

#![allow(clippy::print_stdout, reason = "what it is for")]

use clap::{Parser, Subcommand};

use quell_bench::arena::Arena;
use quell_bench::backlog::Backlog;
use quell_bench::contestant::{Contestant, prepare};
use quell_bench::results::Results;
use quell_bench::tables::{self, AIMS_HEAD};
use quell_bench::workload::Workload;

/// Measures Quell beside the same job in Kafka Streams, and what librdkafka allows at most.
#[derive(Debug, Parser)]
#[command(name = "quell-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Limit, Kafka Streams and Quell in one run
    Run {
        /// A smaller backlog, fewer rounds: rough figures in under five minutes
        #[arg(long)]
        quick: bool,
    },
}

fn main() {
    let Command::Run { quick } = Arguments::parse().command;
    run(quick);
}

fn run(quick: bool) {
    let (consumers, rounds) = if quick { (60_000, 2) } else { (150_000, 5) };
    prepare();
    let arena = Arena::open();
    let backlog = Backlog::load(&arena, Workload::consumers(1, consumers));
    println!("a backlog of {} events, {rounds} rounds", backlog.workload.events.len());
    // A broker that just began is several times slower, whoever is first.
    for _ in 0..2 {
        backlog.run(&arena, Contestant::Limit);
    }
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for contestant in [Contestant::Limit, Contestant::KafkaStreams, Contestant::Quell] {
            let run = backlog.run(&arena, contestant);
            println!(
                "round {round}, {}: {:.0} events/s, its final state is right",
                contestant.name(),
                run.events_per_second()
            );
            runs.push(run);
        }
    }
    let results = Results::new(runs);
    results.write(if quick { "quick-backlog" } else { "backlog" });
    println!("\n{}\n{AIMS_HEAD}{}", tables::backlog(&results.runs), tables::backlog_aims(&results.runs));
}
