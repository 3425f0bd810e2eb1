//! The command line of the benchmark.

#![allow(clippy::print_stdout, reason = "what it is for")]

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use quell_bench::arena::Arena;
use quell_bench::backlog::{Backlog, BacklogRun, warm_up};
use quell_bench::contestant::Contestant;
use quell_bench::gate::{self, server::Server};
use quell_bench::growth;
use quell_bench::instances;
use quell_bench::latency::{self, LatencyRun, Pace};
use quell_bench::page;
use quell_bench::restore;
use quell_bench::results::Results;
use quell_bench::shapes;
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
    /// Quell alone, on the backlog: for whoever changes it. Keeps no results
    Alone {
        #[arg(long, default_value_t = 150_000)]
        consumers: u32,

        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Quell beside the limit, while events come at a pace: for whoever changes it. Keeps no results
    Paced {
        #[arg(long, default_values_t = [2000, 10_000], value_delimiter = ',')]
        per_second: Vec<u32>,

        /// At each pace
        #[arg(long, default_value_t = 15)]
        seconds: u32,

        #[arg(long, default_value_t = 2)]
        rounds: u32,
    },
    /// Quell alone, on streams and graphs of one kind
    Shapes {
        /// Events of each, about
        #[arg(long, default_value_t = 400_000)]
        events: u32,

        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Quell alone, what an event costs at sizes of the store
    Growth {
        /// Millions of identifiers
        #[arg(long, default_values_t = [1, 10, 30], value_delimiter = ',')]
        millions: Vec<u32>,
    },
    /// Quell alone, how long until it is ready again
    Restore {
        #[arg(long, default_value_t = 150_000)]
        consumers: u32,

        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// Quell alone, working off a backlog while perf samples it
    Profile {
        /// Where the samples go
        file: PathBuf,
    },
    /// docs/performance.md anew, of the results that there are
    Page,
    /// The gate, beside a bare handler and Open Policy Agent
    Gate {
        /// A round of some seconds, and no ten million: rough figures in some minutes
        #[arg(long)]
        quick: bool,
    },
    /// The gate beside a bare handler alone: for whoever changes it. Keeps no results
    GateAlone {
        #[arg(long, default_value_t = 3)]
        rounds: u32,

        /// Of each server in each round
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Quell alone, on one instance, two and three
    Instances {
        #[arg(long, default_value_t = 150_000)]
        consumers: u32,
    },
}

fn main() {
    match Arguments::parse().command {
        Command::Run { quick } => run(quick),
        Command::Alone { consumers, rounds } => alone(consumers, rounds),
        Command::Paced { per_second, seconds, rounds } => paced(&per_second, seconds, rounds),
        Command::Shapes { events, rounds } => shapes(events, rounds),
        Command::Growth { millions } => {
            keep("growth", growth::run(&arena(), &millions), growth::table);
        }
        Command::Restore { consumers, rounds } => {
            keep("restore", restore::run(&arena(), consumers, rounds), restore::table);
        }
        Command::Profile { file } => profile(&file),
        Command::Page => page::write(),
        Command::Gate { quick } => gate(quick),
        Command::GateAlone { rounds, seconds } => gate_alone(rounds, seconds),
        Command::Instances { consumers } => {
            keep("instances", instances::run(&arena(), consumers, INSTANCES_MAX), instances::table);
        }
    }
}

/// The backlog of those whose latency is measured.
const WARM_CONSUMERS: u32 = 20_000;
const PROFILED_CONSUMERS: u32 = 150_000;
/// As many as two cores can be shared by.
const INSTANCES_MAX: u32 = 3;

/// A broker that is warm.
fn arena() -> Arena {
    let arena = Arena::open();
    warm_up(&arena);
    arena
}

fn run(quick: bool) {
    let arena = arena();
    let prefix = if quick { "quick-" } else { "" };
    let (consumers, rounds) = if quick { (60_000, 2) } else { (150_000, 3) };
    let backlog = run_backlog(&arena, consumers, rounds);
    backlog.write(&format!("{prefix}backlog"));
    let (paces, rounds) = if quick {
        (vec![Pace::Steady { per_second: 2000, seconds: 15 }, Pace::Idle { opt_outs: 50 }], 1)
    } else {
        let steady = [(2000, 40), (10_000, 20)].map(|(per_second, seconds)| Pace::Steady { per_second, seconds });
        (steady.into_iter().chain([Pace::Idle { opt_outs: 200 }]).collect(), 2)
    };
    let contestants = [Contestant::Limit, Contestant::KafkaStreamsAt20Millis, Contestant::Quell];
    let latency = run_latency(&arena, &contestants, &paces, rounds);
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

fn run_latency(arena: &Arena, contestants: &[Contestant], paces: &[Pace], rounds: u32) -> Results<LatencyRun> {
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for contestant in contestants {
            for run in latency::run(arena, *contestant, Workload::consumers(1, WARM_CONSUMERS), paces) {
                let (name, pace) = (contestant.name(), run.pace.name());
                println!("round {round}, {name}, {pace}: p50 {:.1} ms, its final state is right", run.p50_millis);
                runs.push(run);
            }
        }
    }
    Results::of("make bench", runs)
}

fn paced(per_second: &[u32], seconds: u32, rounds: u32) {
    let paces: Vec<Pace> = per_second.iter().map(|&per_second| Pace::Steady { per_second, seconds }).collect();
    let latency = run_latency(&arena(), &[Contestant::Limit, Contestant::Quell], &paces, rounds);
    println!("\n{}", tables::latency(&latency.runs));
}

fn alone(consumers: u32, rounds: u32) {
    let arena = arena();
    let backlog = Backlog::load(&arena, Workload::consumers(1, consumers));
    for round in 1..=rounds {
        let run = backlog.run(&arena, Contestant::Quell);
        println!(
            "round {round}: {:.0} events/s, {:.2} + {:.2} µs/event, at most {} MiB, its final state is right",
            run.events_per_second(),
            run.application_micros(),
            run.broker_micros(),
            run.peak_memory_bytes >> 20,
        );
    }
}

fn shapes(events: u32, rounds: u32) {
    let runs = shapes::run(&arena(), events, rounds, |line| println!("{line}"));
    keep("shapes", runs, shapes::table);
}

fn gate(quick: bool) {
    let arena = arena();
    let tell = |line: &str| println!("{line}");
    let prefix = if quick { "quick-" } else { "" };
    let (rounds, seconds) = if quick { (1, 2.0) } else { (3, 4.0) };
    let (contest, mut starts) = gate::contest(&arena, &Server::ALL, rounds, seconds, tell);
    println!("\n{}", gate::tables::contest(&contest));
    gate_results(&contest).write(&format!("{prefix}gate"));
    let (opt_outs, seconds) = if quick { (30, 10) } else { (200, 30) };
    let reach = gate::reach(&arena, &[Pace::Idle { opt_outs }, Pace::Steady { per_second: 2000, seconds }]);
    println!("\n{}", gate::tables::reach(&reach));
    gate_results(&reach).write(&format!("{prefix}gate-reach"));
    gate_results(&starts).write(&format!("{prefix}gate-starts"));
    if !quick {
        starts.extend(gate::many(&arena, tell));
        gate_results(&starts).write("gate-starts");
    }
    println!("\n{}", gate::tables::starts(&starts));
    println!("{AIMS_HEAD}{}{}", gate::tables::contest_aims(&contest), gate::tables::start_aims(&starts));
    if !quick {
        page::write();
    }
}

fn gate_results<Run: Clone + Serialize + DeserializeOwned>(runs: &[Run]) -> Results<Run> {
    let mut results = Results::of("make bench-gate", runs.to_vec());
    results.circumstances.versions.extend(gate::versions());
    results
}

fn gate_alone(rounds: u32, seconds: f64) {
    gate::contest(&arena(), &[Server::Constant, Server::Quell], rounds, seconds, |line| println!("{line}"));
}

/// Not warmed up: nobody compares this with anything.
fn profile(file: &Path) {
    let arena = Arena::open();
    Backlog::load(&arena, Workload::consumers(1, PROFILED_CONSUMERS)).profile(&arena, file);
}

/// Keeps the results of an axis and makes the page anew.
fn keep<Run: Serialize + DeserializeOwned>(name: &str, runs: Vec<Run>, table: impl Fn(&[Run]) -> String) {
    let results = Results::of(&format!("make bench AXIS={name}"), runs);
    results.write(name);
    page::write();
    println!("\n{}", table(&results.runs));
}
