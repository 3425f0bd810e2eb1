//! The gate: what a decision costs, beside a handler that only answers and Open Policy Agent, which decides and records as
//! the gate does; how long a start takes; and how fast an opt-out reaches it.
//!
//! ```text
//! population ─┬─> suppressions ─> gate ─────────┐            ┌─ oha: the load
//!             ├─> data.json ────> OPA, twice ───┼─ answers <─┤
//!             │                   bare handler ─┘     │      └─ asker: right?
//!             └─> questions                        records: as many as answers, and right?
//! ```

pub mod asker;
pub mod contest;
pub mod generator;
pub mod population;
pub mod process;
pub mod reach;
pub mod records;
pub mod server;
pub mod site;
pub mod starts;
pub mod tables;
pub mod watermarks;

use crate::arena::Arena;
use crate::latency::Pace;
use crate::machine::said_by;
use crate::topics::create;
use crate::workload::Workload;

use contest::{Contest, GateRun};
use population::Population;
use reach::ReachRun;
use server::Server;
use site::Site;
use starts::StartRun;
use watermarks::Watermarks;

/// Of the contest.
const SUPPRESSED: u32 = 1_000_000;
/// And of a gate that starts.
const SUPPRESSED_MANY: u32 = 10_000_000;
/// The backlog of the engine whose opt-outs are waited for.
const WARM_CONSUMERS: u32 = 20_000;

/// A site whose topics hold a population's suppressions.
fn settle(arena: &Arena, population: &Population) -> Site {
    let site = Site::new(arena.bootstrap(), arena.dir(), &arena.new_name());
    create(arena.bootstrap(), &[&site.suppressions(), &site.watermarks()], "compact");
    site.make_topics();
    population.publish(arena.bootstrap(), &site.policy);
    site
}

/// Each round measures each server for some seconds; then, as many starts with the same.
pub fn contest(
    arena: &Arena,
    servers: &[Server],
    rounds: u32,
    seconds: f64,
    mut tell: impl FnMut(&str),
) -> (Vec<GateRun>, Vec<StartRun>) {
    let population = Population::new(1, SUPPRESSED);
    let site = settle(arena, &population);
    let _watermarks = Watermarks::publish(arena.bootstrap(), &site.watermarks());
    let mut gate = site.start();
    gate.wait_until_ready();
    gate.wait_until_fresh();
    let mut contest = Contest::begin(arena, &population, &site, gate, servers);
    let mut runs = Vec::new();
    for round in 1..=rounds {
        runs.extend(contest.round(seconds, |line| tell(&format!("round {round}, {line}"))));
    }
    contest.finish();
    (runs, starts::run(arena, &site, &population, rounds, tell))
}

/// Starts with ten times as many.
pub fn many(arena: &Arena, tell: impl FnMut(&str)) -> Vec<StartRun> {
    let population = Population::new(2, SUPPRESSED_MANY);
    let site = settle(arena, &population);
    let _watermarks = Watermarks::publish(arena.bootstrap(), &site.watermarks());
    starts::run(arena, &site, &population, 1, tell)
}

pub fn reach(arena: &Arena, paces: &[Pace]) -> Vec<ReachRun> {
    reach::run(arena, Workload::consumers(1, WARM_CONSUMERS), paces)
}

/// Of whom is measured, and with what, beside what every benchmark names.
pub fn versions() -> [String; 2] {
    let opa = said_by("opa", &["version"]).replace("Version:", "Open Policy Agent");
    [opa, said_by("oha", &["--version"])]
}
