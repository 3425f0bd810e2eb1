//! Results as tables of Markdown, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;

use crate::backlog::BacklogRun;
use crate::contestant::Contestant;
use crate::figures::{Figure, short};
use crate::latency::{LatencyRun, Pace};

pub const MIB: f64 = 1024.0 * 1024.0;
/// `store.memory` by default, in MiB.
const STORE_MEMORY: f64 = 512.0;

/// The contestants of some runs, in their order.
fn contestants(runs: &[BacklogRun]) -> Vec<Contestant> {
    let mut all: Vec<Contestant> = runs.iter().map(|run| run.contestant).collect();
    all.sort();
    all.dedup();
    all
}

fn figure(runs: &[BacklogRun], of: Contestant, value: impl Fn(&BacklogRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.contestant == of).map(value))
}

pub fn backlog(runs: &[BacklogRun]) -> String {
    let mut table =
        "| | events/s | CPU of the application, µs per event | CPU of the broker, µs per event | peak memory, MiB \
                     | bytes on disk per identifier | cores taken by others |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for it in contestants(runs) {
        let disk = figure(runs, it, BacklogRun::disk_per_identifier);
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} |",
            it.name(),
            figure(runs, it, BacklogRun::events_per_second),
            figure(runs, it, BacklogRun::application_micros),
            figure(runs, it, BacklogRun::broker_micros),
            figure(runs, it, |run| run.peak_memory_bytes as f64 / MIB),
            if disk.most > 0.0 { disk.to_string() } else { "—".to_owned() },
            figure(runs, it, BacklogRun::others_cores),
        )
        .unwrap();
    }
    table
}

/// The runs of one contestant at one pace.
fn at(runs: &[LatencyRun], of: Contestant, pace: Pace, value: impl Fn(&LatencyRun) -> f64) -> Figure {
    Figure::of(runs.iter().filter(|run| run.contestant == of && run.pace == pace).map(value))
}

pub fn latency(runs: &[LatencyRun]) -> String {
    let mut table =
        "| | | p50, ms | p99, ms | p99.9, ms | CPU of the application, µs per event | CPU of the broker, µs per \
                     event | cores taken by others |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    let mut rows: Vec<(Pace, Contestant)> = runs.iter().map(|run| (run.pace, run.contestant)).collect();
    rows.sort();
    rows.dedup();
    for (pace, of) in rows {
        let figure = |value: fn(&LatencyRun) -> f64| at(runs, of, pace, value);
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            pace.name(),
            of.name(),
            figure(|run| run.p50_millis),
            figure(|run| run.p99_millis),
            figure(|run| run.p999_millis),
            figure(|run| run.application_cpu * 1e6 / run.events as f64),
            figure(|run| run.broker_cpu * 1e6 / run.events as f64),
            figure(|run| run.others_cpu / run.seconds),
        )
        .unwrap();
    }
    table
}

/// One line of what is aimed at: what it is, what it was, what it should be.
pub fn aim(lines: &mut String, what: &str, is: f64, unit: &str, should: f64, at_least: bool) {
    let met = if at_least { is >= should } else { is <= should };
    let (bound, met) = (if at_least { "≥" } else { "≤" }, if met { "met" } else { "**missed**" });
    writeln!(lines, "| {what} | {}{unit} | {bound} {}{unit} | {met} |", short(is), short(should)).unwrap();
}

pub const AIMS_HEAD: &str = "| aim | is | should be | |\n|---|---|---|---|\n";

pub fn backlog_aims(runs: &[BacklogRun]) -> String {
    let median = |of, value: fn(&BacklogRun) -> f64| figure(runs, of, value).median;
    let both = |run: &BacklogRun| run.application_micros() + run.broker_micros();
    let (quell, peer) = (Contestant::Quell, Contestant::KafkaStreams);
    let mut lines = String::new();
    let throughput = median(quell, BacklogRun::events_per_second) / median(peer, BacklogRun::events_per_second);
    aim(&mut lines, "throughput, Quell : Kafka Streams", throughput, " ×", 5.0, true);
    aim(
        &mut lines,
        "CPU per event with the broker's, Quell : Kafka Streams",
        median(quell, both) / median(peer, both),
        " ×",
        0.2,
        false,
    );
    aim(
        &mut lines,
        "CPU per event of the engine alone",
        median(quell, BacklogRun::application_micros),
        " µs",
        9.0,
        false,
    );
    aim(
        &mut lines,
        "bytes on disk per identifier with its edges",
        median(quell, BacklogRun::disk_per_identifier),
        "",
        120.0,
        false,
    );
    memory_aim(&mut lines, "memory", median(quell, |run| run.peak_memory_bytes as f64));
    lines
}

/// The line of how much memory there was beside the store's.
pub fn memory_aim(lines: &mut String, what: &str, bytes: f64) {
    let what = format!("{what} beyond store.memory ({STORE_MEMORY} MiB)");
    aim(lines, &what, bytes / MIB - STORE_MEMORY, " MiB", 300.0, false);
}

pub fn latency_aims(runs: &[LatencyRun]) -> String {
    let (quell, peer, limit) = (Contestant::Quell, Contestant::KafkaStreamsAt20Millis, Contestant::Limit);
    let mut lines = String::new();
    let mut paces: Vec<Pace> = runs.iter().map(|run| run.pace).collect();
    paces.sort();
    paces.dedup();
    for pace in paces {
        let ratio = |than: Contestant, value: fn(&LatencyRun) -> f64| {
            at(runs, quell, pace, value).median / at(runs, than, pace, value).median
        };
        let name = pace.name();
        let p50 = |than| ratio(than, |run| run.p50_millis);
        let p99 = |than| ratio(than, |run| run.p99_millis);
        aim(&mut lines, &format!("{name}: p50, Quell : limit"), p50(limit), " ×", 1.5, false);
        if let Pace::Steady { .. } = pace {
            aim(&mut lines, &format!("{name}: p99, Quell : limit"), p99(limit), " ×", 2.0, false);
            aim(&mut lines, &format!("{name}: p50, Quell : Kafka Streams"), p50(peer), " ×", 1.0 / 3.0, false);
            aim(&mut lines, &format!("{name}: p99, Quell : Kafka Streams"), p99(peer), " ×", 1.0 / 3.0, false);
        }
    }
    lines
}
