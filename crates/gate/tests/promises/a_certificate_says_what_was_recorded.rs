//! A certificate says what stands in the decision's record, is signed by the key in use, and never costs a decision.

use std::time::Duration;

use quell_certificate::{Claims, KeyRing, PublicKeys, SigningKey, SubjectKey, SubjectSecret, verify};
use quell_domain::Millis;
use serde_json::{Value, json};

use crate::running::{Answered, POLICY, Running, asks, now, wait_for};

const HOUR: Duration = Duration::from_secs(3_600);

/// With a key that signs, and what subjects are hashed with.
fn running() -> Running {
    let running = Running::start();
    running.keys().add_subject_secret(&SubjectSecret::new([9; 32])).unwrap();
    add_key(&running, 1, Millis(0));
    running
}

fn add_key(running: &Running, seed: u8, used_from: Millis) -> SigningKey {
    let key = SigningKey::new(&[seed; 32], Millis(0), used_from);
    running.keys().add(&key).unwrap();
    wait_for("the key to be published", || published(running).contains(key.id().as_str()).then_some(()));
    key
}

fn published(running: &Running) -> String {
    running.get("/.well-known/jwks.json").body
}

fn asks_for_one(account: &str) -> String {
    let mut body: Value = serde_json::from_str(&asks(("account_id", account), "infer", "hiring")).unwrap();
    body["context"] = json!({ "certificate": true, "model": { "name": "ranker" } });
    body.to_string()
}

fn by_id(running: &Running, id: &str) -> Answered {
    running.get(&format!("/v1/decisions/{id}/certificate"))
}

fn verified(running: &Running, jws: &str) -> Claims {
    verify(jws, &PublicKeys::parse(&published(running)).unwrap()).unwrap()
}

fn fields(claims: &Claims) -> Value {
    serde_json::from_str(&claims.to_json()).unwrap()
}

fn certified(running: &Running) -> String {
    let answered = running.evaluation(&asks_for_one("a")).json();
    answered["context"]["certificate"].as_str().unwrap().to_owned()
}

fn is_signed_by(jws: &str, key: &SigningKey) -> bool {
    verify(jws, &[key.clone()].into_iter().collect::<KeyRing>().public_keys()).is_ok()
}

#[test]
fn all_of_the_record_is_signed_and_nobody_is_named() {
    let running = running();
    let context = running.evaluation(&asks_for_one("hired")).json()["context"].clone();
    let claims = verified(&running, context["certificate"].as_str().unwrap());
    let key = SubjectKey::parse(context["subject_key"].as_str().unwrap()).unwrap();
    assert_eq!(claims.show_subject("account_id:hired", Some(&key)), Ok(()));
    let mut said = fields(&claims);
    let own = said.as_object_mut().unwrap();
    assert!(own.remove("sub").unwrap().as_str().unwrap().starts_with("hmac-sha256:"));
    assert_eq!(own.remove("iss").unwrap(), "https://gate.example.com");
    assert!((now().0 / 1_000 - own.remove("iat").unwrap().as_i64().unwrap()).abs() < 60);
    let mut record = running.records().remove(0);
    let recorded = record.as_object_mut().unwrap();
    assert_eq!(recorded.remove("subject").unwrap()["value"], "hired");
    recorded.retain(|_, value| !value.is_null());
    assert_eq!(recorded["model_name"], "ranker");
    assert_eq!(own, recorded);
}

#[test]
fn a_policy_may_have_it_name_whom_it_is_about() {
    let policy = format!("{POLICY}[certificates]\nsubject = \"plain\"\n");
    let running = Running::with(&policy, "admt_system", None, 1 << 20);
    running.gate.set_ready(true);
    running.gate.set_as_of(now());
    add_key(&running, 1, Millis(0));
    let context = running.evaluation(&asks_for_one("a-1")).json()["context"].clone();
    assert_eq!(fields(&verified(&running, context["certificate"].as_str().unwrap()))["sub"], "account_id:a-1");
    assert_eq!(context["subject_key"], Value::Null);
}

#[test]
fn it_is_made_only_for_those_who_ask_and_for_each_of_a_batch() {
    let running = running();
    let without = running.evaluation(&asks(("account_id", "a"), "infer", "hiring")).json()["context"].clone();
    assert_eq!((&without["certificate"], &without["certificate_error"]), (&Value::Null, &Value::Null));
    let body = json!({
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "context": { "certificate": true },
        "evaluations": [
            { "subject": { "type": "account_id", "id": "hired" } },
            { "subject": { "type": "account_id", "id": "b" }, "context": {} },
        ],
    });
    let answers = running.evaluations(&body.to_string()).json()["evaluations"].clone();
    let claims = fields(&verified(&running, answers[0]["context"]["certificate"].as_str().unwrap()));
    assert_eq!(claims["decision_id"], answers[0]["context"]["decision_id"]);
    assert_eq!(answers[1]["context"]["certificate"], Value::Null);
}

#[test]
fn it_can_be_had_later_by_the_decisions_id() {
    let running = running();
    let context = running.evaluation(&asks_for_one("hired")).json()["context"].clone();
    let answered = by_id(&running, context["decision_id"].as_str().unwrap());
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/jwt")), "{}", answered.body);
    assert_eq!(answered.header("x-quell-subject-key"), context["subject_key"].as_str());
    let (then, later) =
        (verified(&running, context["certificate"].as_str().unwrap()), verified(&running, &answered.body));
    let without_time = |claims: &Claims| {
        let mut fields = fields(claims);
        fields.as_object_mut().unwrap().remove("iat").unwrap();
        fields
    };
    assert_eq!(without_time(&then), without_time(&later));
    // Envoy's callers have its id from a header.
    let asked = running.ask("GET", "/ext_authz/hiring/", &[("x-quell-subject", "account_id:hired")], None);
    let id = asked.header("x-quell-decision-id").unwrap();
    assert_eq!(fields(&verified(&running, &by_id(&running, id).body))["asked_by"], "ext_authz");
}

#[test]
fn what_is_no_decisions_id_is_not_found() {
    let running = running();
    for wrong in ["x", "01A0C450-6C00-7ABC-8DEF-000000000000", "01a0c450-6c00-4abc-8def-000000000000"] {
        let answered = by_id(&running, wrong);
        assert_eq!(answered.status, 404, "{wrong}");
        assert!(answered.body.contains("UUIDs of version 7"), "{}", answered.body);
    }
}

#[test]
fn only_who_shows_the_token_gets_it_and_anybody_the_keys() {
    let running = Running::with(POLICY, "admt_system", Some("secret"), 1 << 20);
    let path = "/v1/decisions/01a0c450-6c00-7abc-8def-000000000000/certificate";
    assert_eq!(running.get(path).status, 401);
    assert_eq!(running.get("/.well-known/jwks.json").status, 200);
}

#[test]
fn without_a_key_there_is_a_decision_and_the_reason_why_it_has_no_certificate() {
    let running = Running::start();
    let jwks = running.get("/.well-known/jwks.json");
    assert_eq!((jwks.body.as_str(), jwks.header("cache-control")), (r#"{"keys":[]}"#, Some("no-store")));
    let answered = running.evaluation(&asks_for_one("hired"));
    assert_eq!(answered.decision(), (false, "suppressed".to_owned()));
    let context = answered.json()["context"].clone();
    assert!(context["certificate_error"].as_str().unwrap().contains("quell keys generate"), "{context}");
    let later = by_id(&running, context["decision_id"].as_str().unwrap());
    assert_eq!(later.status, 503);
    assert!(later.body.contains("quell keys generate"), "{}", later.body);
}

#[test]
fn a_new_key_is_published_at_once_and_signs_from_its_time_on() {
    let running = running();
    let first = SigningKey::new(&[1; 32], Millis(0), Millis(0));
    let before = certified(&running);
    assert!(is_signed_by(&before, &first));

    add_key(&running, 2, now() + HOUR);
    let answered = running.get("/.well-known/jwks.json");
    let kept = format!("public, max-age={}", KeyRing::PUBLISHED_FOR_AT_LEAST.as_secs());
    assert_eq!(answered.header("cache-control"), Some(kept.as_str()));
    assert!(is_signed_by(&certified(&running), &first), "the second is not to be used before its time");

    let third = add_key(&running, 3, Millis(1));
    assert!(is_signed_by(&certified(&running), &third));
    verified(&running, &before);
}

#[test]
fn keys_that_cannot_be_read_any_more_leave_those_that_were() {
    let running = running();
    let (first, before) = (SigningKey::new(&[1; 32], Millis(0), Millis(0)), published(&running));
    let until_refused = |refused: u8| {
        let line = format!("quell_gate_keys_refused {refused}");
        wait_for(&line, || running.get("/metrics").body.contains(&line).then_some(()));
    };
    let holds_to_the_first = || published(&running) == before && is_signed_by(&certified(&running), &first);
    until_refused(0);
    std::fs::write(running.keys().path().join("broken.jwk"), "{").unwrap();
    until_refused(1);
    assert!(holds_to_the_first());
    std::fs::remove_file(running.keys().path().join("broken.jwk")).unwrap();
    until_refused(0);
    let (keys, away) = (running.keys().path().to_owned(), running.dir.path().join("away"));
    let first_file = format!("key-{}.jwk", first.id());
    for lost in [first_file.as_str(), "subject.jwk"] {
        std::fs::rename(keys.join(lost), &away).unwrap();
        until_refused(1);
        assert!(holds_to_the_first(), "without {lost}");
        std::fs::rename(&away, keys.join(lost)).unwrap();
        until_refused(0);
    }
    std::fs::rename(&keys, &away).unwrap();
    until_refused(1);
    assert!(holds_to_the_first());
    running.keys().add_subject_secret(&SubjectSecret::new([9; 32])).unwrap();
    let second = add_key(&running, 2, Millis(2));
    assert!(is_signed_by(&certified(&running), &second) && !published(&running).contains(first.id().as_str()));
}
