//! A raw address stands in no metric, no record and no error.

use crate::running::{Running, asks};

#[test]
fn a_raw_address_is_in_no_metric_no_record_and_no_error() {
    let running = Running::start();
    let secret = "grace.hopper@example.com";
    let mut said = Vec::new();
    for (identifier_type, action, system) in [
        ("email", "infer", "hiring"),
        ("mail", "infer", "hiring"),
        ("email", secret, secret),
        ("email_sha256", "infer", "hiring"),
    ] {
        said.push(running.evaluation(&asks((identifier_type, secret), action, system)).body);
    }
    said.push(running.evaluation(&format!(r#"{{"subject":"{secret}"}}"#)).body);
    let header = format!("email:{secret},{secret}");
    said.push(running.ask("GET", "/ext_authz/hiring/", &[("x-quell-subject", &header)], None).body);
    said.push(running.get("/metrics").body);
    said.extend(running.records().iter().map(ToString::to_string));
    for text in said {
        assert!(!text.contains("hopper"), "{text}");
    }
}
