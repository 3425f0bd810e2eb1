//! The AuthZEN working group's certification scenario, as far as it asks about identifiers: Basic Core, Batch Core and
//! Discovery. Its rules 5 to 8 are about properties, of which this decision point knows none.

use serde_json::{Value, json};

use crate::running::{Running, now};
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

fn fixture() -> Running {
    let mut running = Running::with(FIXTURE, "record", None, 1 << 20);
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

#[test]
fn basic_core() {
    let running = fixture();
    for (user, action, decision) in
        [("alice", "read", true), ("alice", "write", true), ("bob", "read", true), ("bob", "write", false)]
    {
        for _ in 0..3 {
            let answered = running.evaluation(&question(user, action, "record-1").to_string());
            assert_eq!(answered.decision().0, decision, "{user} {action}");
        }
    }
}

#[test]
fn batch_core() {
    let running = fixture();
    let decisions = |body: Value| -> Vec<bool> {
        let answer = running.evaluations(&body.to_string()).json();
        assert!(answer.get("decision").is_none());
        answer["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect()
    };
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

#[test]
fn discovery() {
    let answered = fixture().get("/.well-known/authzen-configuration");
    let configuration = answered.json();
    for endpoint in ["policy_decision_point", "access_evaluation_endpoint"] {
        assert!(configuration[endpoint].as_str().is_some_and(|url| !url.is_empty()));
    }
}
