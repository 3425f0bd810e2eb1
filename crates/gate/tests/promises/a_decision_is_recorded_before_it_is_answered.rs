//! Everything in the answer, and what the caller said, stands in the record; and without a record there is no answer.

use serde_json::{Value, json};

use crate::running::{Running, asks, now, records_in};

#[test]
fn a_record_has_all_that_was_answered_and_all_that_was_said() {
    let running = Running::start();
    let mut body: Value = serde_json::from_str(&asks(("email", " Ada@example.com"), "infer", "hiring")).unwrap();
    let sha256 = "ab".repeat(32);
    body["context"] = json!({ "model": { "name": "ranker", "version": "7" }, "input_sha256": sha256 });
    let headers = [("content-type", "application/json"), ("x-request-id", "r-1")];
    let answered = running.ask("POST", "/access/v1/evaluation", &headers, Some(&body.to_string()));
    let context = answered.json()["context"].clone();
    let records = running.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    for field in
        ["decision_id", "reason", "right", "choice_id", "since", "inherited", "as_of", "staleness_ms", "policy_version"]
    {
        assert_eq!(record[field], context[field], "{field}");
    }
    let expected = json!({
        "decision": false,
        "subject": { "type": "email_sha256", "value": quell_domain::hashed_email("ada@example.com").unwrap() },
        "action": "infer",
        "system": "hiring",
        "obligation": "human_review",
        "significant_decision": "employment_or_contracting_opportunities_or_compensation",
        "policy_sha256": "f00d",
        "model_name": "ranker",
        "model_version": "7",
        "input_sha256": sha256,
        "request_id": "r-1",
        "asked_by": "authzen",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(record[field], *value, "{field}");
    }
    assert!((now().0 - record["decided_at"].as_i64().unwrap()) < 60_000);
}

#[test]
fn every_answer_has_its_record() {
    let running = Running::start();
    let mut answered = Vec::new();
    let mut take = |answer: &Value| answered.push(answer["context"]["decision_id"].as_str().unwrap().to_owned());
    for number in 0..20 {
        take(&running.evaluation(&asks(("account_id", &format!("a-{number}")), "infer", "hiring")).json());
        let headers = [("x-quell-subject", "account_id:a,account_id:hired")];
        take(&running.ask("GET", "/ext_authz/hiring/", &headers, None).json());
    }
    take(&running.evaluation(&asks(("shoe_size", "43"), "infer", "hiring")).json());
    let records = running.records();
    assert_eq!(records.len(), 61, "Envoy's questions were about two identifiers each");
    let recorded: Vec<&str> = records.iter().map(|record| record["decision_id"].as_str().unwrap()).collect();
    assert!(answered.iter().all(|id| recorded.contains(&id.as_str())));
}

#[test]
fn when_nothing_can_be_recorded_nothing_is_answered() {
    let running = Running::with(crate::running::POLICY, "admt_system", None, 32 << 10);
    running.gate.set_ready(true);
    running.gate.set_as_of(now());
    let good = asks(("account_id", "a"), "infer", "credit");
    let mut answered = 0;
    let refused = loop {
        let answer = running.evaluation(&good);
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered < 1_000, "the spool never fills");
        running.gate.set_as_of(now());
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(running.ask("GET", "/ext_authz/credit/", &[("x-quell-subject", "account_id:a")], None).status, 503);
    let metrics = running.get("/metrics").body;
    assert!(metrics.contains("quell_gate_refused_total{reason=\"not_recorded\"} 2"), "{metrics}");
    assert_eq!(records_in(&running.dir.path().join("spool")).len(), answered);
}
