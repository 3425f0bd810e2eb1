//! The command line of the benchmark.

#![allow(clippy::print_stdout, reason = "what it is for")]

use clap::{Parser, Subcommand};

use quell_bench::arena::Arena;
use quell_bench::backlog::{Backlog, BacklogRun};
use quell_bench::contestant::{Contestant, prepare};
use quell_bench::latency::{self, LatencyRun, Pace};
use quell_bench::page;
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

/// The backlog of those whose latency is measured.
const WARM_CONSUMERS: u32 = 20_000;

fn run(quick: bool) {
    prepare();
    let arena = Arena::open();
    let (backlog, latency) = if quick {
        let paces = [Pace::Steady { per_second: 2000, seconds: 15 }, Pace::Idle { opt_outs: 50 }];
        (run_backlog(&arena, 60_000, 2), run_latency(&arena, &paces, 1))
    } else {
        let paces = [
            Pace::Steady { per_second: 2000, seconds: 60 },
            Pace::Steady { per_second: 10_000, seconds: 30 },
            Pace::Idle { opt_outs: 200 },
        ];
        (run_backlog(&arena, 150_000, 5), run_latency(&arena, &paces, 3))
    };
    let prefix = if quick { "quick-" } else { "" };
    backlog.write(&format!("{prefix}backlog"));
    latency.write(&format!("{prefix}latency"));
    if !quick {
        page::write();
    }
    println!("\n{}\n{}", tables::backlog(&backlog.runs), tables::latency(&latency.runs));
    println!("{AIMS_HEAD}{}{}", tables::backlog_aims(&backlog.runs), tables::latency_aims(&latency.runs));
}

fn run_backlog(arena: &Arena, consumers: u32, rounds: u32) -> Results<BacklogRun> {
    let backlog = Backlog::load(arena, Workload::consumers(1, consumers));
    println!("a backlog of {} events, {rounds} rounds", backlog.workload.events.len());
    // A broker that just began is several times slower, whoever is first.
    for _ in 0..2 {
        backlog.run(arena, Contestant::Limit);
    }
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for contestant in [Contestant::Limit, Contestant::KafkaStreams, Contestant::Quell] {
            let run = backlog.run(arena, contestant);
            println!(
                "round {round}, {}: {:.0} events/s, its final state is right",
                contestant.name(),
                run.events_per_second()
            );
            runs.push(run);
        }
    }
    Results::of("make bench", runs)
}

fn run_latency(arena: &Arena, paces: &[Pace], rounds: u32) -> Results<LatencyRun> {
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for contestant in [Contestant::Limit, Contestant::KafkaStreamsAt20Millis, Contestant::Quell] {
            for run in latency::run(arena, contestant, Workload::consumers(1, WARM_CONSUMERS), paces) {
                let (name, pace) = (contestant.name(), run.pace.name());
                println!("round {round}, {name}, {pace}: p50 {:.1} ms, its final state is right", run.p50_millis);
                runs.push(run);
            }
        }
    }
    Results::of("make bench", runs)
}
