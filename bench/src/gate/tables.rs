//! The gate's results as tables.

use std::fmt::Write as _;

use super::contest::{CONNECTIONS, GateRun};
use super::reach::{ReachRun, Way};
use super::server::Server;
use super::starts::StartRun;
use crate::figures::{Figure, short};
use crate::latency::Pace;
use crate::tables::{MIB, aim};

/// So many times a bare handler's, and a tenth of the peer's.
const BY_CONSTANT: f64 = 3.0;
const BY_OPA: f64 = 0.1;
/// With a million who opted out.
const MEMORY_MIB: f64 = 250.0;

fn figure(runs: &[GateRun], of: Server, connections: u32, value: impl Fn(&GateRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.server == of && run.connections == connections).map(value))
}

pub fn contest(runs: &[GateRun]) -> String {
    let mut table =
        "| connections | | decisions/s | p50, ms | p99, ms | CPU of the server, µs per decision | CPU of the broker, \
                     µs per decision | peak memory, MiB | cores taken by others, the load among them |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for connections in CONNECTIONS {
        for of in Server::ALL {
            let figure = |value: fn(&GateRun) -> f64| figure(runs, of, connections, value);
            let broker =
                if of == Server::Quell { figure(GateRun::broker_micros).to_string() } else { "—".to_owned() };
            writeln!(
                table,
                "| {connections} | {} | {} | {} | {} | {} | {broker} | {} | {} |",
                of.name(),
                figure(GateRun::per_second),
                figure(|run| run.p50_millis),
                figure(|run| run.p99_millis),
                figure(GateRun::server_micros),
                figure(|run| run.peak_memory_bytes as f64 / MIB),
                figure(|run| run.others_cpu / run.seconds),
            )
            .unwrap();
        }
    }
    table
}

pub fn contest_aims(runs: &[GateRun]) -> String {
    let mut lines = String::new();
    for connections in CONNECTIONS {
        let micros = |of| figure(runs, of, connections, GateRun::server_micros).median;
        let peers = [(Server::Constant, BY_CONSTANT), (Server::Opa, BY_OPA), (Server::OpaLogging, BY_OPA)];
        for (peer, should) in peers {
            let what = format!(
                "gate, {connections} connection{}: CPU per recorded decision, Quell : {}",
                if connections == 1 { "" } else { "s" },
                peer.name()
            );
            aim(&mut lines, &what, micros(Server::Quell) / micros(peer), " ×", should, false);
        }
    }
    lines
}

pub fn starts(runs: &[StartRun]) -> String {
    let mut table =
        "| opted out | from | ready after, s | CPU, s | memory when ready, MiB | peak memory, MiB | copy on \
                     disk, bytes per identifier |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    let mut rows: Vec<(u32, bool)> = runs.iter().map(|run| (run.suppressed, run.from_copy)).collect();
    rows.sort_unstable();
    rows.dedup();
    for (suppressed, from_copy) in rows {
        let figure = |value: fn(&StartRun) -> f64| start(runs, suppressed, from_copy, value);
        writeln!(
            table,
            "| {suppressed} | {} | {} | {} | {} | {} | {} |",
            if from_copy { "the local copy" } else { "the topic" },
            figure(|run| run.seconds),
            figure(|run| run.gate_cpu),
            figure(|run| run.memory_bytes as f64 / MIB),
            figure(|run| run.peak_memory_bytes as f64 / MIB),
            figure(|run| run.copy_bytes as f64 / f64::from(run.suppressed)),
        )
        .unwrap();
    }
    table
}

fn start(runs: &[StartRun], suppressed: u32, from_copy: bool, value: impl Fn(&StartRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.suppressed == suppressed && run.from_copy == from_copy).map(value))
}

pub fn start_aims(runs: &[StartRun]) -> String {
    let mut lines = String::new();
    let fewest = runs.iter().map(|run| run.suppressed).min().unwrap_or_default();
    let memory = start(runs, fewest, false, |run| run.peak_memory_bytes as f64 / MIB);
    let what = format!("gate: peak memory with {} who opted out", short(f64::from(fewest)));
    aim(&mut lines, &what, memory.median, " MiB", MEMORY_MIB, false);
    lines
}

pub fn reach(runs: &[ReachRun]) -> String {
    let mut table =
        "| from | beside it | denies | p50, ms | p99, ms | longest, ms |\n|---|---|---|---|---|---|\n".to_owned();
    for run in runs {
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            match run.way {
                Way::OptOut => "an opt-out's record on `optout.events`",
                Way::LateLink => "a late link's record on `identity.links`",
            },
            match run.pace {
                Pace::Steady { .. } => run.pace.name(),
                Pace::Idle { .. } => "nothing".to_owned(),
            },
            run.denies,
            short(run.p50_millis),
            short(run.p99_millis),
            short(run.longest_millis),
        )
        .unwrap();
    }
    table
}
