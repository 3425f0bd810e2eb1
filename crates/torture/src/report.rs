//! What it tells: a line while it lasts, and one table at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::fault::Fault;

/// Where nobody looks on, a line every so often is enough.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Back to the first column, and clear what stands there.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// The live line: rewritten at a terminal, now and then elsewhere.
pub fn say(line: &str) {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        write!(out, "{CLEAR_LINE}{line}").unwrap();
        out.flush().unwrap();
        return;
    }
    let mut said = SAID.lock().unwrap();
    if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
        *said = Some(Instant::now());
        writeln!(out, "{line}").unwrap();
    }
}

/// What came out.
#[derive(Debug)]
pub struct Report {
    pub minutes: f64,
    pub seed: u64,
    pub faults: BTreeMap<Fault, u64>,
    pub events: usize,
    pub suppressions: usize,
    pub repeats: usize,
    /// What the topics say other than the model.
    pub missing: usize,
    /// Some of what is wrong.
    pub examples: Vec<String>,
    pub longest_stall: Duration,
    /// The longest time from SIGTERM to the end.
    pub longest_stop: Duration,
    /// From the last fault until everything was right.
    pub settled: Duration,
    pub peak_memory: Option<u64>,
    pub logs: PathBuf,
}

impl Report {
    /// Whether nothing is missing, and nothing came twice.
    pub fn is_good(&self) -> bool {
        self.repeats == 0 && self.missing == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<42} {value:>12}");
        row("", String::new())?;
        for (fault, times) in &self.faults {
            row(fault.name(), times.to_string())?;
        }
        row("faults", self.faults.values().sum::<u64>().to_string())?;
        row("", String::new())?;
        row("events", self.events.to_string())?;
        row("suppressions", self.suppressions.to_string())?;
        row("repeats", self.repeats.to_string())?;
        row("missing", self.missing.to_string())?;
        row("longest stall", format!("{:.1} s", self.longest_stall.as_secs_f64()))?;
        row("longest stop of an engine", format!("{:.1} s", self.longest_stop.as_secs_f64()))?;
        row("right after the last fault within", format!("{:.1} s", self.settled.as_secs_f64()))?;
        if let Some(peak) = self.peak_memory {
            row("most memory of an engine", format!("{} MiB", peak >> 20))?;
        }
        writeln!(f, "\n  {} minutes, seed {}", self.minutes, self.seed)?;
        if !self.is_good() {
            writeln!(f, "\n  What is wrong, among others:")?;
            self.examples.iter().try_for_each(|example| writeln!(f, "  {example}"))?;
            writeln!(f, "\n  The engines' logs and stores are in {}", self.logs.display())?;
        }
        Ok(())
    }
}
