//! Several questions in one request: defaults, the three semantics, broken items.

use serde_json::{Value, json};

use crate::running::{POLICY, Running, asks, now};

fn decisions(answer: &Value) -> Vec<bool> {
    answer["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect()
}

fn subjects(values: &[&str], semantic: Option<&str>) -> String {
    let evaluations: Vec<Value> =
        values.iter().map(|value| json!({ "subject": { "type": "account_id", "id": value } })).collect();
    let mut body = json!({
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "evaluations": evaluations,
    });
    if let Some(semantic) = semantic {
        body["options"] = json!({ "evaluations_semantic": semantic, "another_option": "value" });
    }
    body.to_string()
}

#[test]
fn each_semantic_ends_where_it_should() {
    let running = Running::start();
    let asked = |values: &[&str], semantic| decisions(&running.evaluations(&subjects(values, semantic)).json());
    let mixed = ["a", "out", "b", "hired"];
    assert_eq!(asked(&mixed, None), [true, false, true, false]);
    assert_eq!(asked(&mixed, Some("execute_all")), [true, false, true, false]);
    assert_eq!(asked(&mixed, Some("deny_on_first_deny")), [true, false]);
    assert_eq!(asked(&mixed, Some("permit_on_first_permit")), [true]);
    assert_eq!(asked(&["out", "hired", "a", "b"], Some("permit_on_first_permit")), [false, false, true]);
    assert_eq!(asked(&["a", "b"], Some("deny_on_first_deny")), [true, true]);
    assert_eq!(running.evaluations(&subjects(&["a"], Some("at_random"))).status, 400);
}

#[test]
fn an_item_takes_the_place_of_whole_entities() {
    let running = Running::start();
    let body = json!({
        "subject": { "type": "account_id", "id": "hired" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "evaluations": [
            {},
            { "resource": { "type": "admt_system", "id": "credit" } },
            { "subject": { "type": "account_id", "id": "somebody" } },
            { "subject": { "id": "somebody" } },
        ],
    });
    let answer = running.evaluations(&body.to_string()).json();
    assert_eq!(decisions(&answer), [false, true, true, false]);
    let error = &answer["evaluations"][3]["context"]["error"];
    assert_eq!(error["status"], 400);
    assert!(error["message"].as_str().unwrap().starts_with("missing field `type`"), "{error}");
}

#[test]
fn a_context_holds_for_all_unless_an_item_has_its_own() {
    let running = Running::start();
    let body = json!({
        "subject": { "type": "account_id", "id": "somebody" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "context": { "human_review": true },
        "evaluations": [{}, { "context": { "time": "now" } }],
    });
    assert_eq!(decisions(&running.evaluations(&body.to_string()).json()), [false, true]);
}

#[test]
fn a_broken_item_is_a_deny_and_the_others_stand() {
    let running = Running::start();
    let whole = json!({
        "subject": { "type": "account_id", "id": "somebody" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
    });
    let body = |semantic: &str| {
        let items = json!([whole, { "action": { "name": "infer" } }, 7, "text", null, whole]);
        json!({ "options": { "evaluations_semantic": semantic }, "evaluations": items }).to_string()
    };
    let answer = running.evaluations(&body("execute_all")).json();
    assert_eq!(decisions(&answer), [true, false, false, false, false, true]);
    for broken in 1..5 {
        assert_eq!(answer["evaluations"][broken]["context"]["error"]["status"], 400);
    }
    assert_eq!(decisions(&running.evaluations(&body("deny_on_first_deny")).json()), [true, false]);
    assert_eq!(running.evaluations(r#"{"evaluations": {}}"#).status, 400);
    assert_eq!(running.records().len(), 3, "a broken item is no decision");
}

#[test]
fn without_items_it_is_the_other_endpoint() {
    let running = Running::start();
    let mut body = json!({
        "subject": { "type": "account_id", "id": "hired" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
    });
    assert_eq!(running.evaluations(&body.to_string()).decision(), (false, "suppressed".to_owned()));
    for nothing in [json!([]), json!(null)] {
        body["evaluations"] = nothing;
        assert_eq!(running.evaluations(&body.to_string()).decision(), (false, "suppressed".to_owned()));
    }
}

#[test]
fn an_item_that_cannot_be_decided_says_so_where_the_system_wants_an_error() {
    let running = Running::with(POLICY, "admt_system", None, 64 << 20);
    running.gate.set_ready(true);
    let of = |system: &str| {
        let item: Value = serde_json::from_str(&asks(("account_id", "a"), "infer", system)).unwrap();
        let answer = running.evaluations(&json!({ "evaluations": [item] }).to_string());
        assert_eq!(answer.status, 200);
        let item = answer.json()["evaluations"][0].clone();
        assert_eq!((&item["decision"], &item["context"]["reason"]), (&json!(false), &json!("stale")));
        item["context"]["error"]["status"].clone()
    };
    assert_eq!(of("credit"), 503, "on_stale is error");
    assert_eq!(of("hiring"), Value::Null, "on_stale is deny: that is a decision");
}

#[test]
fn a_batch_that_would_record_too_much_is_refused_whole() {
    let running = Running::start();
    let of = |count: usize| {
        let mut body: Value = serde_json::from_str(&asks(("account_id", "hired"), "infer", "hiring")).unwrap();
        body["context"] = json!({ "review": { "cv": "x".repeat(16_000) } });
        body["evaluations"] = vec![json!({}); count].into();
        running.evaluations(&body.to_string()).status
    };
    assert_eq!((of(20), of(600)), (200, 413));
    assert_eq!(running.records().len(), 20);
}

#[test]
fn a_batch_that_the_spool_can_never_take_is_refused_at_once() {
    let running = Running::with(POLICY, "admt_system", None, 1 << 20);
    running.gate.set_as_of(now());
    running.gate.set_ready(true);
    let of = |count: usize| {
        let mut body: Value = serde_json::from_str(&asks(("account_id", "hired"), "infer", "hiring")).unwrap();
        body["context"] = json!({ "human_review": true, "review": { "cv": "x".repeat(16_000) } });
        body["evaluations"] = vec![json!({}); count].into();
        running.evaluations(&body.to_string()).status
    };
    assert_eq!((of(20), of(40)), (200, 413), "503 would say that it may be asked again");
}

#[test]
fn a_batch_has_a_thousand_questions_at_most_however_short() {
    let running = Running::start();
    let of = |item: &str, count: usize| {
        let body: Value = serde_json::from_str(&asks(("account_id", "out"), "infer", "hiring")).unwrap();
        let items = vec![item; count].join(",");
        running.evaluations(&format!(r#"{},"evaluations":[{items}]}}"#, body.to_string().strip_suffix('}').unwrap()))
    };
    assert_eq!(decisions(&of("{}", 1_000).json()).len(), 1_000);
    for (item, count) in [("{}", 1_001), ("[]", 300_000), ("{}", 300_000)] {
        let refused = of(item, count);
        assert_eq!((refused.status, &*refused.body), (413, "evaluations: has at most 1000; ask about fewer at once"));
    }
    assert_eq!(running.records().len(), 1_000);
}
