//! The docs say what the code does.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quell_decision::{Obligation, Reason};
use quell_domain::{Policy, RefusalCode};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_dead_letter_code_has_a_section_for_the_operator() {
    let operations = read("docs/operations.md");
    for code in RefusalCode::ALL {
        assert!(operations.contains(&format!("\n### {code}\n")), "docs/operations.md has no section on {code}");
    }
}

#[test]
fn every_alert_is_explained_to_the_operator() {
    let operations = read("docs/operations.md");
    for line in read("deploy/prometheus/alerts.yml").lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            // Two that differ in their window share a row.
            let stem = alert.trim_end_matches("Slowly");
            let named = operations.contains(alert) || (stem != alert && operations.contains(&format!("{stem}Fast")));
            assert!(named, "docs/operations.md does not explain {alert}");
        }
    }
}

#[test]
fn all_that_the_gate_answers_and_counts_is_explained() {
    let gate = read("docs/gate.md");
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let obligations = [Obligation::HumanReview, Obligation::RulesOnly, Obligation::HumanAppeal];
    for name in reasons.chain(obligations.iter().map(|obligation| obligation.as_str())) {
        assert!(gate.contains(&format!("\n| `{name}` |")), "docs/gate.md has no row for {name}");
    }
    let definitions = read("crates/telemetry/src/definitions.rs");
    let metrics: Vec<&str> = definitions.split('"').filter(|text| text.starts_with("quell_gate_")).collect();
    assert!(metrics.len() > 5, "found {metrics:?} alone");
    for metric in metrics {
        assert!(gate.contains(metric), "docs/gate.md does not explain {metric}");
    }
}

#[test]
fn every_key_of_a_system_is_explained() {
    let example = read("policies/example.toml");
    let refused = Policy::parse(&format!("{example}\n[admt_systems.credit]\nnot_a_key = 1")).unwrap_err().to_string();
    let (_, keys) = refused.split_once("expected one of ").unwrap();
    let keys: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
    assert!(keys.len() > 5, "found {keys:?} alone");
    let gate = read("docs/gate.md");
    for key in keys {
        assert!(gate.contains(&format!("\n| `{key}` |")), "docs/gate.md does not explain {key}");
    }
}

#[test]
fn the_example_policy_is_valid() {
    for path in ["policies/example.toml", "deploy/policy.toml"] {
        Policy::parse(&read(path)).unwrap();
    }
}

#[test]
fn every_invariant_that_the_code_names_is_defined() {
    let invariants = read("docs/invariants.md");
    let defined: BTreeSet<&str> =
        invariants.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next()).collect();
    let is_name = |word: &str| {
        let [family, digit] = word.as_bytes() else { return false };
        digit.is_ascii_digit() && defined.iter().any(|name| name.as_bytes().first() == Some(family))
    };
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut files: Vec<PathBuf> = entries(&crates).iter().flat_map(|of| files_below(&of.join("src"))).collect();
    files.push(crates.with_file_name("dev/break-rules"));
    let mut named = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in
            text.split(|between: char| !between.is_alphanumeric() && between != '_').filter(|word| is_name(word))
        {
            assert!(defined.contains(name), "{}: docs/invariants.md does not define {name}", file.display());
            named.insert(name.to_owned());
        }
    }
    assert!(named.contains("G3") && named.contains("T2"), "found {named:?} alone");
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        entries(path).iter().flat_map(|entry| files_below(entry)).collect()
    } else {
        vec![path.to_owned()]
    }
}
