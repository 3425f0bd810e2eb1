//! How long until a gate answers, with the copy that it had and with none, and what it needs for that.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::population::{Asked, Population};
use super::site::Site;
use crate::arena::Arena;
use crate::machine::{bytes_on_disk, cpu_seconds, peak_memory, resident_memory};

/// Are asked, and each answer looked at, once it is ready.
const CHECKED: u32 = 1_000;

/// One start. What it answered was right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartRun {
    pub suppressed: u32,
    /// With the copy; or from the topic's beginning.
    pub from_copy: bool,
    /// From the start of the process until it is ready.
    pub seconds: f64,
    pub gate_cpu: f64,
    /// When it is ready, and until then.
    pub memory_bytes: u64,
    pub peak_memory_bytes: u64,
    /// Of the copy, on disk.
    pub copy_bytes: u64,
}

/// Rounds of both, beginning without a copy. All suppressions are in the topic, and somebody publishes watermarks.
pub fn run(
    arena: &Arena,
    site: &Site,
    population: &Population,
    rounds: u32,
    mut tell: impl FnMut(&str),
) -> Vec<StartRun> {
    let questions = population.questions(CHECKED);
    let mut runs = Vec::new();
    for from_copy in (0..rounds).flat_map(|_| [false, true]) {
        let run = measure(arena, site, population.suppressed(), &questions, from_copy);
        let (from, seconds) = (if from_copy { "the local copy" } else { "the topic" }, run.seconds);
        tell(&format!("{} who opted out, from {from}: ready after {seconds:.2} s", run.suppressed));
        runs.push(run);
    }
    runs
}

fn measure(arena: &Arena, site: &Site, suppressed: u32, questions: &[Asked], from_copy: bool) -> StartRun {
    if !from_copy && site.copy().exists() {
        std::fs::remove_dir_all(site.copy()).unwrap();
    }
    let began = Instant::now();
    let mut gate = site.start();
    gate.wait_until_ready();
    let seconds = began.elapsed().as_secs_f64();
    let process = gate.process.id();
    let run = StartRun {
        suppressed,
        from_copy,
        seconds,
        gate_cpu: cpu_seconds(process),
        memory_bytes: resident_memory(process),
        peak_memory_bytes: peak_memory(process),
        copy_bytes: bytes_on_disk(&site.copy()),
    };
    gate.wait_until_fresh();
    gate.asker.check(questions).unwrap_or_else(|fault| arena.fail("Quell", &fault));
    gate.process.stop();
    run
}
