//! Torture: a cluster of brokers, several engines and a steady load, and everything that can go wrong does, at random.
//! At the end the topics must say what the model says, and nothing twice.
//!
//! ```text
//! load ──> brokers <── proxies <── engines        brokers: killed, one or all
//!             │           │           │           proxies: slow, cut, silent
//!             │           └── chance ─┘           engines: killed, wiped, stopped, frozen, added, removed, flooded
//!             └──> reader: repeats, stalls        at the end: every topic against quell-model
//! ```
//!
//! All chance comes from one seed. The same seed does the same things in the same order; when each of them hits is the
//! machine's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::print_stdout, reason = "what it is for")]

mod chaos;
mod fault;
mod reader;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use quell_testbed::cluster::Cluster;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{Random, world};
use quell_testbed::load::Load;
use quell_testbed::now_millis;
use quell_testbed::outcome::{disagreements, read_published};

use crate::chaos::Chaos;
use crate::reader::Reader;
use crate::report::{Report, say};

/// How long the engines may take at the end, when everything is whole again. They may have minutes of load to catch up.
const SETTLE: Duration = Duration::from_secs(600);

/// How long nothing more must come before the end is believed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Breaks brokers, engines and the network at random under load, and compares what comes out with the model.
#[derive(Debug, Parser)]
#[command(name = "quell-torture", version)]
struct Arguments {
    /// How long things go wrong
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// All chance comes from it [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,

    /// Events per second
    #[arg(long, default_value_t = 400)]
    rate: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| now_millis().unsigned_abs() % 1_000_000);
    let again = format!("make torture MINUTES={} SEED={seed}", arguments.minutes);
    let default = std::panic::take_hook();
    let replay = again.clone();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        println!("again by: {replay}");
    }));
    println!("torture of {} min, seed {seed}; again by: {again}", arguments.minutes);
    let report = torture(&arguments, seed);
    println!("{report}");
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn torture(arguments: &Arguments, seed: u64) -> Report {
    let mut random = Random(seed);
    // Static members come back to their shards, others move them: both must do.
    let membership = if random.chance(50) { "\"group.instance.id\" = \"INSTANCE\"\n" } else { "" };
    let client = format!(
        "{membership}\"session.timeout.ms\" = \"3000\"\n\"heartbeat.interval.ms\" = \"700\"\n\
         \"transaction.timeout.ms\" = \"5000\""
    );
    let cluster = Cluster::start(3);
    let extra = [("kafka.client", client.as_str()), ("engine", "epoch_records_max = 2000\nstandby_replicas = 1")];
    let mut deployment = Deployment::on(cluster.kafka(), POLICY, &extra);
    // Kept until it is known that nobody has to look into the logs.
    deployment.dir.disable_cleanup(true);
    let deployment = Arc::new(deployment);
    let reader = Reader::start(&deployment);
    let load = Load::start(&deployment, seed, arguments.rate);

    let mut chaos = Chaos::begin(Arc::clone(&deployment), cluster, random);
    let until = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    while Instant::now() < until {
        chaos.step(until);
        say(&format!(
            "{:>4} s left  {:>7} events  {:>7} suppressions  {}",
            until.saturating_duration_since(Instant::now()).as_secs(),
            load.written() + chaos.flooded(),
            reader.seen().messages,
            chaos.line()
        ));
    }
    let stopped_at = Instant::now();
    chaos.heal();
    let mut events = load.finish();
    events.extend(chaos.floods());
    let world = world(&deployment.policy, &events);
    let mut wrong;
    let mut repeats;
    loop {
        chaos.watch();
        let published = read_published(&deployment);
        wrong = disagreements(&deployment.policy, &world, &published);
        repeats = published.repeats;
        let seen = reader.seen();
        say(&format!("settling: {} to go  {}", wrong.len(), chaos.line()));
        let is_done = wrong.is_empty() && chaos.is_at_rest() && seen.messages == published.messages;
        if is_done || stopped_at.elapsed() > SETTLE {
            break;
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
    let seen = reader.finish();
    let report = Report {
        minutes: arguments.minutes,
        seed,
        faults: chaos.faults(),
        events: events.len(),
        suppressions: seen.messages,
        repeats: seen.repeats.max(repeats.len()),
        missing: wrong.len(),
        examples: repeats.into_iter().chain(wrong).take(10).collect(),
        longest_stall: seen.longest_stall,
        longest_stop: chaos.longest_stop(),
        settled: stopped_at.elapsed(),
        peak_memory: chaos.peak_memory(),
        logs: deployment.dir.path().to_path_buf(),
    };
    drop(chaos);
    if report.is_good() {
        std::fs::remove_dir_all(deployment.dir.path()).unwrap();
    }
    report
}
