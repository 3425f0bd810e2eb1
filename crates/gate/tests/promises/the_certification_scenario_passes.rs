//! The AuthZEN working group's certification scenario, as far as it asks about identifiers: Basic Core, Batch Core and
//! Discovery, each case under its number.
//!
//! Its rules 5 to 8 are about properties, of which this decision point knows none: who has opted out has, whatever else
//! a caller says of them. So the properties' cases (2.2.4 to 2.2.7, 3.2.3, 3.2.4, 3.2.7) are not held. Of 3.2.7 this is:
//! an item's entity takes the place of the whole one that stands for all. A draft of it filled up what an item's entity
//! lacks from that one; here the two are never merged, for nobody would have asked about what comes of it.

use serde_json::{Value, json};

use crate::running::{Answered, Running, now};
use quell_domain::Identifier;

/// Bob may read record-1 and not write to it: he is opted out of `admt`, which writing needs and reading does not.
const FIXTURE: &str = r#"
version = "fixture"
[identifier_types.user]
[rights.reading]
[rights.admt]
systems = ["record-1", "record-2"]
[downstreams.ml]
topic = "suppression.ml"
rights = ["reading", "admt", "admt:*"]
identifier_types = ["user"]
[actions.read]
rights = ["reading"]
[actions.write]
rights = ["admt"]
[actions.delete]
rights = ["admt"]
[actions.train]
rights = ["admt"]
"#;

/// Where its callers find it.
const URL: &str = "https://pdp.example.com/tenant1";

fn fixture() -> Running {
    let mut running = Running::under(Some(URL), FIXTURE, "record", None, 1 << 20);
    running.hears(&Identifier::new("user", "bob").unwrap(), &[("admt", true)]);
    running.gate.set_ready(true);
    running.gate.set_as_of(now());
    running
}

fn question(user: &str, action: &str, record: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": user },
        "action": { "name": action },
        "resource": { "type": "record", "id": record },
    })
}

/// Something that alice may do, with more beside it.
fn permitted_with(more: &Value) -> Value {
    let mut asked = question("alice", "read", "record-1");
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked
}

/// The decisions of a batch, each with a context that is an object (3.3).
fn decisions(answered: &Answered) -> Vec<bool> {
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/json")));
    let answer = answered.json();
    assert!(answer.get("decision").is_none());
    let of_one = |one: &Value| {
        assert!(one["context"].is_object());
        one["decision"].as_bool().unwrap()
    };
    answer["evaluations"].as_array().unwrap().iter().map(of_one).collect()
}

/// 2.2.1, 2.2.2, 2.3 and 2.6
#[test]
fn basic_core() {
    let running = fixture();
    for (user, action, decision) in
        [("alice", "read", true), ("alice", "write", true), ("bob", "read", true), ("bob", "write", false)]
    {
        for _ in 0..3 {
            let answered = running.evaluation(&question(user, action, "record-1").to_string());
            assert_eq!(answered.decision().0, decision, "{user} {action}");
            assert_eq!(answered.header("content-type"), Some("application/json"));
            assert!(answered.json()["context"].is_object());
        }
    }
}

/// 2.2.3, 2.2.8 and 2.2.9
#[test]
fn no_context_no_property_and_no_unknown_field_changes_a_decision() {
    let running = fixture();
    for more in [
        json!({ "context": { "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" } }),
        json!({
            "subject": {
                "type": "user", "id": "alice", "properties": { "department": "Sales", "role": "manager" }
            },
            "action": { "name": "read", "properties": { "method": "GET" } },
            "resource": {
                "type": "record", "id": "record-1", "properties": { "status": "active", "owner": "bob" }
            },
        }),
        json!({ "foo": "bar", "futureField": { "nested": true } }),
    ] {
        assert!(running.evaluation(&permitted_with(&more).to_string()).decision().0, "{more}");
    }
}

/// 2.4
#[test]
fn what_is_missing_or_is_no_question_is_400() {
    let running = fixture();
    let good = permitted_with(&json!({}));
    let mut wrong = Vec::new();
    for entity in ["subject", "action", "resource"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(entity);
        wrong.push(without.to_string());
    }
    for more in [
        json!({ "subject": { "id": "alice" } }),
        json!({ "subject": { "type": "user" } }),
        json!({ "action": {} }),
        json!({ "resource": { "id": "record-1" } }),
        json!({ "resource": { "type": "record" } }),
        json!({ "subject": "alice" }),
        json!({ "action": { "name": 123 } }),
    ] {
        wrong.push(permitted_with(&more).to_string());
    }
    let malformed = good.to_string().replacen('{', "", 1);
    for body in wrong.iter().chain([&malformed, &String::new()]) {
        assert_eq!(running.evaluation(body).status, 400, "{body}");
    }
    let as_text = [("content-type", "text/plain")];
    assert_eq!(running.ask("POST", "/access/v1/evaluation", &as_text, Some(&good.to_string())).status, 400);
}

/// 2.5
#[test]
fn a_requests_id_comes_back_and_may_be_missing() {
    let running = fixture();
    let good = permitted_with(&json!({})).to_string();
    for path in ["/access/v1/evaluation", "/access/v1/evaluations"] {
        let headers = [("content-type", "application/json"), ("x-request-id", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716")];
        let answered = running.ask("POST", path, &headers, Some(&good));
        assert!(answered.decision().0);
        assert_eq!(answered.header("x-request-id"), Some("bfe9eb29-ab87-4ca3-be83-a1d5d8305716"));
        assert!(running.post(path, &good).decision().0);
    }
}

/// 3.2.1, 3.2.2, 3.2.5, 3.3 and 3.4.1
#[test]
fn batch_core() {
    let running = fixture();
    let decisions = |body: Value| decisions(&running.evaluations(&body.to_string()));
    let by_record = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" },
        "evaluations": [
            { "resource": { "type": "record", "id": "record-1" } },
            { "resource": { "type": "record", "id": "record-2" } },
        ],
    });
    assert_eq!(decisions(by_record), [true, true]);
    let mut by_action = question("bob", "read", "record-1");
    by_action["evaluations"] = json!([{ "action": { "name": "read" } }, { "action": { "name": "write" } }]);
    assert_eq!(decisions(by_action), [true, false]);
    let items = [question("alice", "read", "record-1"), question("bob", "write", "record-1")];
    assert_eq!(decisions(json!({ "evaluations": items })), [true, false]);
    let failing = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" },
        "options": { "evaluations_semantic": "execute_all" },
        "evaluations": [{ "resource": { "type": "record", "id": "record-1" } }, {}],
    });
    assert_eq!(decisions(failing), [true, false]);
}

/// 3.2.6
#[test]
fn a_batchs_context_holds_for_items_without_one() {
    let body = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "read" },
        "context": { "time": "2025-06-27T18:03-07:00" },
        "evaluations": [
            { "resource": { "type": "record", "id": "record-1" } },
            {
                "resource": { "type": "record", "id": "record-2" },
                "context": { "time": "2025-06-27T19:00-07:00", "source": "batch-override" },
            },
        ],
    });
    assert_eq!(decisions(&fixture().evaluations(&body.to_string())), [true, true]);
}

/// 3.2.7, as far as it is held
#[test]
fn an_items_entity_takes_the_place_of_a_whole_one() {
    let running = fixture();
    let body = |all: Value, item: Value| {
        json!({
            "subject": all,
            "action": { "name": "write" },
            "resource": { "type": "record", "id": "record-1", "properties": { "status": "active" } },
            "evaluations": [{}, { "subject": item }],
        })
        .to_string()
    };
    let [alice, bob] = ["alice", "bob"].map(|id| json!({ "type": "user", "id": id }));
    assert_eq!(decisions(&running.evaluations(&body(alice.clone(), bob.clone()))), [true, false]);
    assert_eq!(decisions(&running.evaluations(&body(bob, alice.clone()))), [false, true]);
    let merged = running.evaluations(&body(alice, json!({ "id": "alice" })));
    assert_eq!(decisions(&merged), [true, false], "what is no entity is filled up from none");
}

/// 3.4.2 and 3.4.3
#[test]
fn a_batch_without_items_is_one_question() {
    let running = fixture();
    for more in [json!({}), json!({ "evaluations": [] })] {
        let answered = running.evaluations(&permitted_with(&more).to_string());
        assert!(answered.decision().0, "{more}");
        assert!(answered.json().get("evaluations").is_none());
    }
}

/// 6
#[test]
fn discovery() {
    let answered = fixture().get("/.well-known/authzen-configuration/tenant1");
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/json")));
    let configuration = answered.json();
    assert_eq!(configuration["policy_decision_point"], URL);
    for endpoint in ["access_evaluation_endpoint", "access_evaluations_endpoint"] {
        assert!(configuration[endpoint].as_str().is_some_and(|url| url.starts_with("https://")), "{endpoint}");
    }
}
