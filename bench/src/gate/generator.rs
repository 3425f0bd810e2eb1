//! The load: oha, a public generator, over HTTP/1.1 with connections that stay open.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// What it saw. Every question was answered with 200.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub decisions: u64,
    pub seconds: f64,
    pub p50_millis: f64,
    pub p99_millis: f64,
}

/// oha's own report, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    summary: Summary,
    latency_percentiles: BTreeMap<String, f64>,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    total: f64,
}

/// Asks so many questions, each any line of a file, over so many connections at once.
pub fn run(url: &str, questions: &Path, connections: u32, count: u64) -> Load {
    let output = Command::new("oha")
        .args(["--no-tui", "--output-format", "json", "--disable-compression", "-m", "POST"])
        .args(["-T", "application/json", "-c", &connections.to_string(), "-n", &count.to_string()])
        .arg("-Z")
        .arg(questions)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "oha: {}", String::from_utf8_lossy(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let answered = BTreeMap::from([("200".to_owned(), count)]);
    assert!(
        report.status_code_distribution == answered && report.error_distribution.is_empty(),
        "{url} answered {:?}, errors {:?}",
        report.status_code_distribution,
        report.error_distribution
    );
    let millis = |name| report.latency_percentiles[name] * 1000.0;
    Load { decisions: count, seconds: report.summary.total, p50_millis: millis("p50"), p99_millis: millis("p99") }
}
