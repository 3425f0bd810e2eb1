//! What processes cost, by Linux's /proc, and what machine this is.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Linux counts in hundredths of a second towards its users, whatever it counts in itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// What has been used so far.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Instant,
    application: f64,
    broker: f64,
    everybody: f64,
}

/// CPU between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub seconds: f64,
    pub application: f64,
    pub broker: f64,
    /// Everybody else: who measures, and whoever else is at work here.
    pub others: f64,
}

impl Reading {
    pub fn now(application: &[u32], broker: u32) -> Self {
        Self {
            at: Instant::now(),
            application: application.iter().copied().map(cpu_seconds).sum(),
            broker: cpu_seconds(broker),
            everybody: busy_seconds(),
        }
    }

    pub fn since(&self, began: &Self) -> Usage {
        let (application, broker) = (self.application - began.application, self.broker - began.broker);
        Usage {
            seconds: (self.at - began.at).as_secs_f64(),
            application,
            broker,
            others: (self.everybody - began.everybody - application - broker).max(0.0),
        }
    }
}

/// User and system time of a process, all its threads, those that ended too.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may have spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}

/// Of all processors together, all but idle and waiting.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> =
        stat.lines().next().unwrap().split_whitespace().skip(1).map(|field| field.parse().unwrap()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted within user.
    let busy = ticks.iter().take(8).sum::<f64>() - ticks[3] - ticks[4];
    busy / TICKS_PER_SECOND
}

/// The most memory that a process ever had at once, in bytes.
pub fn peak_memory(process: u32) -> u64 {
    memory(process, "VmHWM:")
}

/// The memory that a process has now, in bytes.
pub fn resident_memory(process: u32) -> u64 {
    memory(process, "VmRSS:")
}

fn memory(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What a directory holds, in bytes.
pub fn bytes_on_disk(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_on_disk(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// On what, of what and when a result came about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Circumstances {
    pub date: String,
    pub commit: String,
    pub command: String,
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub system: String,
    pub versions: Vec<String>,
}

impl Circumstances {
    pub fn now(command: &str) -> Self {
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = processors.lines().find_map(|line| line.strip_prefix("model name"));
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kilobytes = memory.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
        Self {
            date: said_by("date", &["-u", "+%Y-%m-%d"]),
            commit: said_by("git", &["describe", "--always", "--dirty"]),
            command: command.to_owned(),
            processor: named.map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kilobytes.unwrap_or_default() / 1024.0 / 1024.0).round(),
            system: said_by("uname", &["-sr"]),
            versions: vec![
                format!("Quell {}", env!("CARGO_PKG_VERSION")),
                "Apache Kafka and Kafka Streams 4.3.1".to_owned(),
                format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1),
                said_by("java", &["--version"]),
            ],
        }
    }
}

/// The first line that a program says.
pub fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(quell_testbed::tree()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
