//! The docs say what the code does.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use quell_domain::RefusalCode;

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
fn the_example_policy_is_valid() {
    for path in ["policies/example.toml", "deploy/policy.toml"] {
        quell_domain::Policy::parse(&read(path)).unwrap();
    }
}
