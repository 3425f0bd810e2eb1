//! `docs/performance.md`, made of the results in `bench/results/`.

use std::fmt::Write as _;

use quell_testbed::tree;

use crate::backlog::BacklogRun;
use crate::gate::{self, contest::GateRun, reach::ReachRun, starts::StartRun};
use crate::growth::{self, GrowthRun};
use crate::instances::{self, InstancesRun};
use crate::latency::LatencyRun;
use crate::machine::Circumstances;
use crate::restore::{self, RestoreRun};
use crate::results::Results;
use crate::shapes::{self, ShapeRun};
use crate::tables;

const HEAD: &str = "\
# Performance

<!-- Made by `make bench` and `make bench-gate`; do not edit. -->

What Quell costs, beside the same job in Kafka Streams 4.3 and what librdkafka allows at most. All three work off the same
events on the same broker, in one run, one after the other, several rounds interleaved. **Ratios are the result**; absolute
figures are those of one machine, which the broker, the load and the reader share with whoever is measured. No figure is here
whose final state was not checked: a `read_committed` reader has to find exactly the state that the events demand, worked out
without any of Quell's code (`bench/src/expectation.rs`), and no version twice.

- **limit**: consume, produce, commit, exactly once, by librdkafka's C functions; no decoding, no state
  (`bench/limit`).
- **Kafka Streams**: Processor API, RocksDB, `exactly_once_v2`, tuned; links and opt-outs alone (`bench/kstreams`).
- **Quell**: all defaults.

Each cell is the **median** of the rounds, and in brackets between what they lie. CPU is user and system time of the
process by `/proc`. Cores taken by others: what everybody but the contestant and the broker used meanwhile, the load and
the reader among them; where it is not small, take the CPU, not the clock.
";

const GATE: &str = "\
A million identifiers opted out; questions of 340 bytes, any of 20,000, half of them about somebody who opted out, asked by
oha over HTTP/1.1 connections that stay open, one server after the other in each round. Before and after, a thousand answers
of each are looked at; each answer of Quell has its record on `quell.decisions`, which says the same, once.

- **bare handler**: axum, which reads the question and answers a constant (`bench/constant`).
- **Open Policy Agent**: the same data and the same question in Rego (`bench/src/gate/gate.rego`), its store optimised for
  reading; without its decision log, and with it, to a file: the cheapest that it has.
- **Quell**: all defaults; CPU until the last decision is on the topic.
";

/// What no run can say: why, and what was tried.
const WHY: &str = include_str!("../why.md");

/// Writes the page of all results that there are.
pub fn write() {
    let mut page = HEAD.to_owned();
    let mut aims = String::new();
    if let Some(results) = Results::<BacklogRun>::read("backlog") {
        let events = results.runs.first().map_or(0, |run| run.events);
        let identifiers = results.runs.first().map_or(0, |run| run.identifiers);
        section(
            &mut page,
            &format!("Throughput and cost: a backlog of {events} events of {identifiers} identifiers"),
            "From the first event to the last commit. The application's memory is the most that it ever had.",
            &tables::backlog(&results.runs),
            &results.circumstances,
        );
        aims += &tables::backlog_aims(&results.runs);
    }
    if let Some(results) = Results::<LatencyRun>::read("latency") {
        section(
            &mut page,
            "Latency",
            "From the sending of the event that was missing (the choice, or the link that brought an identifier into its \
             reach) to a `read_committed` reader, after a backlog of 20,000 consumers.",
            &tables::latency(&results.runs),
            &results.circumstances,
        );
        aims += &tables::latency_aims(&results.runs);
    }
    if let Some(results) = Results::<ShapeRun>::read("shapes") {
        section(
            &mut page,
            "Shapes",
            "Quell alone, on streams and graphs of one kind.",
            &shapes::table(&results.runs),
            &results.circumstances,
        );
        let repeat = shapes::repeat_by_link(&results.runs);
        tables::aim(&mut aims, "CPU of a repeated browser signal : that of a link", repeat, " ×", 0.5, false);
    }
    if let Some(results) = Results::<GrowthRun>::read("growth") {
        let what = "Quell alone. At each size a million events, half of them about any identifiers that are there, half \
                    about new ones. `store.memory` is 512 MiB.";
        section(&mut page, "Growth", what, &growth::table(&results.runs), &results.circumstances);
        tables::aim(
            &mut aims,
            "growth: CPU per event, last : first",
            growth::last_by_first(&results.runs),
            " ×",
            1.5,
            false,
        );
        tables::memory_aim(&mut aims, "growth: memory", growth::peak_memory_bytes(&results.runs));
    }
    if let Some(results) = Results::<RestoreRun>::read("restore") {
        let what = "Quell alone, started again on the store that it had and on none.";
        section(&mut page, "Restore", what, &restore::table(&results.runs), &results.circumstances);
        let (records, ready) =
            (restore::wiped_records_per_second(&results.runs), restore::warm_ready_seconds(&results.runs));
        tables::aim(&mut aims, "restore from nothing, records/s", records, "", 500_000.0, true);
        tables::aim(&mut aims, "warm restart, ready after it owns shards", ready, " s", 3.0, false);
    }
    if let Some(results) = Results::<InstancesRun>::read("instances") {
        let what = "Quell alone, several instances on this one machine.";
        section(&mut page, "Instances", what, &instances::table(&results.runs), &results.circumstances);
    }
    gate(&mut page, &mut aims);
    write!(page, "\n## What is aimed at\n\n{}{aims}\n{WHY}", tables::AIMS_HEAD).unwrap();
    std::fs::write(tree().join("docs/performance.md"), page).unwrap();
}

fn gate(page: &mut String, aims: &mut String) {
    if let Some(Results { runs, circumstances }) = Results::<GateRun>::read("gate") {
        section(page, "The gate: what a decision costs", GATE, &gate::tables::contest(&runs), &circumstances);
        *aims += &gate::tables::contest_aims(&runs);
    }
    if let Some(Results { runs, circumstances }) = Results::<StartRun>::read("gate-starts") {
        let what = "From the start of the process until it answers; until then it says that it is not ready.";
        section(page, "The gate: starts", what, &gate::tables::starts(&runs), &circumstances);
        *aims += &gate::tables::start_aims(&runs);
    }
    if let Some(Results { runs, circumstances }) = Results::<ReachRun>::read("gate-reach") {
        let what = "From the sending of the record to the gate's first deny, through an engine that holds 20,000 \
                    consumers, one after the other. The gate is asked each millisecond, and permits until then.";
        section(page, "The gate: how fast an opt-out reaches it", what, &gate::tables::reach(&runs), &circumstances);
    }
}

fn section(page: &mut String, title: &str, what: &str, table: &str, of: &Circumstances) {
    write!(page, "\n## {title}\n\n{what}\n\n{table}\n").unwrap();
    writeln!(
        page,
        "`{}`, {}, commit {}. {} cores of {}, {} GiB, {}; {}.",
        of.command,
        of.date,
        of.commit,
        of.cores,
        of.processor,
        of.memory_gib,
        of.system,
        of.versions.join("; ")
    )
    .unwrap();
}
