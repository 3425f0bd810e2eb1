//! Envoy's `ext_authz`, HTTP form: 200, 403 or 503.

use serde_json::Value;

use crate::running::{POLICY, Running, account, now};

fn asked(running: &Running, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    running.ask(method, path, headers, None).status
}

#[test]
fn a_request_goes_on_with_headers_for_the_model() {
    let running = Running::start();
    for (method, path) in [
        ("GET", "/ext_authz/hiring"),
        ("POST", "/ext_authz/hiring/v1/models/m:predict?x=y"),
        ("DELETE", "/ext_authz/hiring/"),
    ] {
        let answered = running.ask(method, path, &[("x-quell-subject", "account_id:somebody")], None);
        assert_eq!((answered.status, answered.header("x-quell-decision")), (200, Some("permit")), "{method} {path}");
        assert_eq!(answered.header("x-quell-reason"), Some("clear"));
        assert!(answered.header("x-quell-decision-id").is_some_and(|id| id.len() == 36));
    }
}

#[test]
fn a_refused_request_names_the_alternative() {
    let running = Running::start();
    let answered = running.ask("POST", "/ext_authz/hiring/predict", &[("x-quell-subject", "account_id:hired")], None);
    assert_eq!((answered.status, answered.header("x-quell-decision")), (403, Some("deny")));
    assert_eq!(answered.header("x-quell-obligation"), Some("human_review"));
    let body = answered.json();
    assert_eq!(body["decision"], false);
    assert_eq!(body["context"]["obligations"][0]["properties"]["action"], "human_review");
    let appeal = running.ask("POST", "/ext_authz/pricing/predict", &[("x-quell-subject", "account_id:out")], None);
    assert_eq!((appeal.status, appeal.header("x-quell-obligation")), (200, Some("human_appeal")));
}

#[test]
fn every_identifier_that_is_named_has_to_be_clear() {
    let running = Running::start();
    let of = |subjects: &[&str]| {
        let headers: Vec<_> = subjects.iter().map(|subject| ("x-quell-subject", *subject)).collect();
        asked(&running, "GET", "/ext_authz/hiring/", &headers)
    };
    assert_eq!(of(&["account_id:a", "account_id:b"]), 200);
    assert_eq!(of(&["account_id:a", "account_id:hired"]), 403);
    assert_eq!(of(&["account_id:a,account_id:hired"]), 403);
    assert_eq!(of(&["account_id:a, email:Ada%40example.com"]), 403);
    assert_eq!(of(&["email:ada@example.com"]), 403);
}

#[test]
fn who_is_not_named_or_not_understood_is_not_clear() {
    let running = Running::start();
    let of = |subject: &str| asked(&running, "GET", "/ext_authz/hiring/", &[("x-quell-subject", subject)]);
    assert_eq!(asked(&running, "GET", "/ext_authz/hiring/", &[]), 403);
    for wrong in ["", "account_id", "account_id:", "shoe_size:43", "account_id:a,", "account_id:%ff"] {
        assert_eq!(of(wrong), 403, "{wrong}");
    }
    assert_eq!(of(&vec!["account_id:a"; 17].join(",")), 403);
    assert_eq!(of(&vec!["account_id:a"; 16].join(",")), 200);
    assert_eq!(asked(&running, "GET", "/ext_authz/unheard-of/", &[("x-quell-subject", "account_id:a")]), 403);
    let action = [("x-quell-subject", "account_id:a"), ("x-quell-action", "explain")];
    assert_eq!(asked(&running, "GET", "/ext_authz/hiring/", &action), 403);
}

#[test]
fn a_value_may_hold_whatever_is_percent_encoded() {
    let mut running = Running::start();
    running.hears(&account("a,b:ü%"), &[("admt", true)]);
    let of = |subject: &str| asked(&running, "GET", "/ext_authz/hiring/", &[("x-quell-subject", subject)]);
    assert_eq!(of("account_id:a%2Cb%3A%C3%BC%25"), 403);
    assert_eq!(of("account_id:a%2Cb"), 200);
}

#[test]
fn when_unsure_it_says_so() {
    let running = Running::with(POLICY, "admt_system", None, 1 << 20);
    let of =
        |system: &str| asked(&running, "GET", &format!("/ext_authz/{system}/"), &[("x-quell-subject", "account_id:a")]);
    assert_eq!(of("credit"), 503, "not ready");
    running.gate.set_ready(true);
    assert_eq!(of("credit"), 503, "stale, and on_stale is error");
    assert_eq!(of("hiring"), 403, "stale, and on_stale is deny");
    running.gate.set_as_of(now());
    assert_eq!(of("credit"), 200);
}

#[test]
fn what_stands_behind_the_system_may_be_any_bytes() {
    let running = Running::start();
    let of = |path: &str, subject: &str| asked(&running, "GET", path, &[("x-quell-subject", subject)]);
    for path in ["/ext_authz/hiring/caf%e9", "/ext_authz/hiring/%ff/%00", "/ext_authz/h%69ring/x"] {
        assert_eq!(of(path, "account_id:somebody"), 200, "{path}");
        assert_eq!(of(path, "account_id:hired"), 403, "{path}");
    }
    assert_eq!(of("/ext_authz/hiring%ff/", "account_id:somebody"), 403, "no policy declares such a system");
    let records = running.records();
    assert_eq!(records.len(), 7);
    assert_eq!((&records[6]["reason"], &records[6]["system"]), (&"unknown_system".into(), &"".into()));
}

#[test]
fn what_is_said_of_a_model_and_its_input_is_recorded() {
    let running = Running::start();
    let (name, sha256) = ("m".repeat(256), "0aF9".repeat(16));
    let headers = [
        ("x-quell-subject", "account_id:somebody"),
        ("x-quell-model", name.as_str()),
        ("x-quell-model-version", "7"),
        ("x-quell-input-sha256", sha256.as_str()),
    ];
    assert_eq!(asked(&running, "GET", "/ext_authz/hiring/", &headers), 200);
    assert_eq!(asked(&running, "GET", "/ext_authz/hiring/", &headers[..1]), 200);
    let records = running.records();
    for (field, value) in [("model_name", name.as_str()), ("model_version", "7"), ("input_sha256", &sha256)] {
        assert_eq!((&records[0][field], &records[1][field]), (&value.into(), &Value::Null), "{field}");
    }
}

#[test]
fn what_cannot_be_recorded_of_a_model_or_its_input_is_400() {
    let running = Running::start();
    let of_the_model = "is no ASCII text of at most 256 bytes";
    let of_the_input = "is not 64 hexadecimal digits";
    let (long, foreign) = ("m".repeat(257), format!("{}g", "0".repeat(63)));
    for (header, value, why) in [
        ("x-quell-model", long.as_str(), of_the_model),
        ("x-quell-model", "modèle", of_the_model),
        ("x-quell-model-version", &long, of_the_model),
        ("x-quell-model-version", "é", of_the_model),
        ("x-quell-input-sha256", "", of_the_input),
        ("x-quell-input-sha256", "abc", of_the_input),
        ("x-quell-input-sha256", &foreign, of_the_input),
        ("x-quell-input-sha256", &"0".repeat(65), of_the_input),
        ("x-quell-input-sha256", &"é".repeat(32), of_the_input),
    ] {
        let headers = [("x-quell-subject", "account_id:somebody"), (header, value), ("x-request-id", "r-1")];
        let answered = running.ask("GET", "/ext_authz/hiring/", &headers, None);
        assert_eq!((answered.status, answered.body.as_str()), (400, format!("{header}: {why}").as_str()), "{value}");
        assert_eq!((answered.header("x-quell-decision"), answered.header("x-request-id")), (None, Some("r-1")));
    }
    let twice = [("x-quell-subject", "account_id:somebody"), ("x-quell-model", "one"), ("x-quell-model", "other")];
    let answered = running.ask("GET", "/ext_authz/hiring/", &twice, None);
    assert_eq!((answered.status, answered.body.as_str()), (400, "x-quell-model: is there twice"));
    let metrics = running.get("/metrics").body;
    assert!(metrics.contains("quell_gate_refused_total{reason=\"malformed\"} 10"), "{metrics}");
    assert_eq!(running.records().len(), 0, "what is refused is no decision");
}

#[test]
fn a_blank_around_a_type_or_a_value_hides_nobody() {
    let running = Running::start();
    let of = |subject: &str| asked(&running, "GET", "/ext_authz/hiring/", &[("x-quell-subject", subject)]);
    for same in ["account_id: hired", "account_id :hired", "account_id:hired ,account_id:a", "account_id :\thired"] {
        assert_eq!(of(same), 403, "{same}");
    }
    assert_eq!(of("account_id: somebody"), 200);
    assert_eq!(of("account_id: "), 403, "nobody");
    assert_eq!(of("account_id:%20hired"), 200, "a blank of its own is part of a value");
}
