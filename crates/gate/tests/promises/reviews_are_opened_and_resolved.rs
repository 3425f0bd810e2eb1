//! A decision that is left to a human opens a review, which goes with it; a human resolves it, once.

use quell_gate::reviews::Place;
use quell_wire::Decoder;
use serde_json::{Value, json};

use crate::running::{Answered, REVIEWER, Running, asks, now, reviews_in};

fn reviewer(running: &Running, method: &str, path: &str, body: Option<&Value>) -> Answered {
    let bearer = format!("Bearer {REVIEWER}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    running.ask(method, path, &headers, body.map(Value::to_string).as_deref())
}

fn resolve(running: &Running, id: &str, body: &Value) -> Answered {
    reviewer(running, "POST", &format!("/v1/reviews/{id}/resolution"), Some(body))
}

/// Takes up what stands in the spool, as if Kafka had brought it.
fn hear(running: &Running) -> Vec<Value> {
    let recorded = reviews_in(&running.dir.path().join("spool"));
    for (offset, review) in (0..).zip(&recorded) {
        let review = Decoder::new(None).review(Some(review.to_string().as_bytes())).unwrap();
        running.gate.take_review(review, Place { partition: 0, offset });
    }
    running.gate.set_reviews_read();
    recorded
}

/// A question about an opted-out consumer, with something marked for a human.
fn marked(review: &str) -> String {
    let asked = asks(("account_id", "hired"), "infer", "hiring");
    let context = format!(r#","context":{{"model":{{"name":"ranker"}},"review":{review}}}}}"#);
    format!("{}{context}", asked.strip_suffix('}').unwrap())
}

fn owed(answered: &Answered) -> Value {
    answered.json()["context"]["obligations"][0]["properties"].clone()
}

/// What a metric shows, by its name and labels.
fn measured(running: &Running, series: &str) -> f64 {
    let metrics = running.get("/metrics").body;
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).expect(series)
}

#[test]
fn who_is_left_to_a_human_has_a_review_with_what_one_needs() {
    let running = Running::start();
    let material = r#"{ "proposal": "refuse",  "cv": "s3://applications/17", "score": 0.31 }"#;
    let answered = running.evaluation(&marked(material));
    let owed = owed(&answered);
    let id = answered.json()["context"]["decision_id"].as_str().unwrap().to_owned();
    let url = running.url(&format!("/v1/reviews/{id}"));
    assert_eq!(owed, json!({ "action": "human_review", "review_id": id, "review_url": url }));
    let recorded = hear(&running);
    assert_eq!(recorded.len(), 1);
    let shown = reviewer(&running, "GET", &format!("/v1/reviews/{id}"), None);
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains(material), "as it was given: {}", shown.body);
    let shown = shown.json();
    let expected = json!({
        "review_id": id,
        "state": "pending",
        "subject": { "type": "account_id", "value": "hired" },
        "action": "infer",
        "system": "hiring",
        "reason": "suppressed",
        "right": "admt:hiring",
        "choice_id": "choice-of-admt:hiring",
        "inherited": true,
        "significant_decision": "employment_or_contracting_opportunities_or_compensation",
        "policy_version": "p-1",
        "model_name": "ranker",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(shown[field], *value, "{field}");
    }
    assert_eq!(recorded[0]["material"], material);
    assert_eq!(recorded[0]["created_at"], shown["created_at"]);
}

#[test]
fn only_what_is_left_to_a_human_opens_a_review_and_each_such_decision_one() {
    let running = Running::start();
    let ask = |subject: &str, system: &str, more: Value| {
        let mut body: Value = serde_json::from_str(&asks(("account_id", subject), "infer", system)).unwrap();
        body["context"] = more;
        running.evaluation(&body.to_string())
    };
    assert_eq!(ask("somebody", "hiring", json!({})).json()["context"]["reason"], "clear");
    assert_eq!(owed(&ask("out", "pricing", json!({}))), json!({ "action": "human_appeal" }));
    let wished = ask("somebody", "hiring", json!({ "human_review": true }));
    assert_eq!(wished.json()["context"]["reason"], "needs_review");
    assert_eq!(reviews_in(&running.dir.path().join("spool")).len(), 1);
    let several = |semantic: &str| {
        let subjects =
            ["hired", "somebody", "hired"].map(|id| json!({ "subject": { "type": "account_id", "id": id } }));
        let mut body: Value = serde_json::from_str(&asks(("account_id", "x"), "infer", "hiring")).unwrap();
        body["evaluations"] = json!(subjects);
        body["options"] = json!({ "evaluations_semantic": semantic });
        let before = reviews_in(&running.dir.path().join("spool")).len();
        running.evaluations(&body.to_string());
        reviews_in(&running.dir.path().join("spool")).len() - before
    };
    assert_eq!(several("deny_on_first_deny"), 1, "several identifiers of one consumer are one review");
    assert_eq!(several("execute_all"), 2);
}

#[test]
fn where_a_human_always_looks_nobody_has_to_ask_for_one() {
    let running = Running::start();
    let answered = running.evaluation(&asks(("account_id", "somebody"), "infer", "housing"));
    assert_eq!(answered.decision(), (false, "needs_review".to_owned()));
    let id = answered.json()["context"]["decision_id"].as_str().unwrap().to_owned();
    let url = running.url(&format!("/v1/reviews/{id}"));
    assert_eq!(owed(&answered), json!({ "action": "human_review", "review_id": id, "review_url": url }));

    let refused = running.ask("POST", "/ext_authz/housing/p", &[("x-quell-subject", "account_id:somebody")], None);
    let told = ["x-quell-decision", "x-quell-reason", "x-quell-obligation"].map(|name| refused.header(name));
    assert_eq!((refused.status, told), (403, [Some("deny"), Some("needs_review"), Some("human_review")]));
    let envoys_id = refused.header("x-quell-review-id").unwrap();
    assert_eq!(owed(&refused)["review_id"], envoys_id);

    // Who has opted out is not left to a human here: the policy has another way for them.
    let suppressed = running.evaluation(&asks(("account_id", "out"), "infer", "housing"));
    assert_eq!(suppressed.decision(), (false, "suppressed".to_owned()));
    assert_eq!(owed(&suppressed), json!({ "action": "rules_only" }));

    let opened = hear(&running);
    assert_eq!(opened.len(), 2);
    for (review, id) in opened.iter().zip([id.as_str(), envoys_id]) {
        assert_eq!((&review["review_id"], &review["subject"]["value"]), (&json!(id), &json!("somebody")));
    }
    let decided = running.records();
    for of_a_human in opened.iter().chain(&decided[..2]) {
        let said = ["reason", "system", "significant_decision"].map(|field| &of_a_human[field]);
        assert_eq!(said, ["needs_review", "housing", "housing"]);
    }
    assert_eq!((&decided[0]["obligation"], &decided[0]["decision_id"]), (&json!("human_review"), &json!(id)));
}

#[test]
fn envoy_is_told_the_review_too() {
    let running = Running::start();
    let refused = running.ask("POST", "/ext_authz/hiring/p", &[("x-quell-subject", "account_id:hired")], None);
    assert_eq!((refused.status, refused.header("x-quell-obligation")), (403, Some("human_review")));
    assert_eq!(refused.header("x-quell-review-id"), refused.header("x-quell-decision-id"));
    assert_eq!(owed(&refused)["review_id"], refused.header("x-quell-review-id").unwrap());
    let clear = running.ask("POST", "/ext_authz/hiring/p", &[("x-quell-subject", "account_id:a")], None);
    assert_eq!((clear.status, clear.header("x-quell-review-id")), (200, None));
}

#[test]
fn what_is_stale_is_left_to_a_human_unless_it_is_to_be_asked_again() {
    let running = Running::start();
    running.gate.forget_as_of();
    let stale = running.evaluation(&asks(("account_id", "a"), "infer", "hiring"));
    assert_eq!((stale.status, owed(&stale)["action"].as_str()), (200, Some("human_review")));
    let error = running.evaluation(&asks(("account_id", "a"), "infer", "credit"));
    assert_eq!((error.status, owed(&error)), (503, Value::Null));
    assert_eq!(reviews_in(&running.dir.path().join("spool")).len(), 1);
}

#[test]
fn what_is_marked_is_an_object_of_16_kib_at_most() {
    let running = Running::start();
    for wrong in ["[]", "\"look\"", "7", "true"] {
        let refused = running.evaluation(&marked(wrong));
        assert_eq!((refused.status, &*refused.body), (400, "context.review: is not an object"), "{wrong}");
    }
    let of = |bytes: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8));
    assert_eq!(running.evaluation(&marked(&of(16 << 10))).status, 200);
    assert_eq!(running.evaluation(&marked(&of((16 << 10) + 1))).status, 400);
    assert_eq!(running.evaluation(&marked("null")).status, 200, "nothing is marked");
}

#[test]
fn what_is_marked_says_the_same_to_every_reader() {
    let running = Running::start();
    let nested = |levels: usize| format!(r#"{{"proposal":1,"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    for (wrong, why) in [
        (r#"{"k\ud800":1,"proposal":1}"#, "hex escape"),
        (r#"{"proposal":"refuse","proposal":null}"#, "a name stands twice in one object"),
        (&nested(7_000), "it is nested deeper than 32 levels"),
        (&nested(32), "it is nested deeper than 32 levels"),
    ] {
        let refused = running.evaluation(&marked(wrong));
        assert_eq!(refused.status, 400, "{wrong}");
        let begins = "context.review: not all readers understand it: ";
        assert!(refused.body.starts_with(begins) && refused.body.contains(why), "{}", refused.body);
    }
    assert_eq!(running.evaluation(&marked(&nested(31))).status, 200);
    let all = asks(("account_id", "hired"), "infer", "hiring");
    let all = all.strip_suffix('}').unwrap();
    let several = format!(r#"{all},"context":{{"review":{{"k\udc00":1}}}},"evaluations":[{{}},{{}}]}}"#);
    assert_eq!(running.evaluations(&several).status, 400, "what holds for all is checked for all");
    assert_eq!(reviews_in(&running.dir.path().join("spool")).len(), 1);
}

#[test]
fn a_field_that_is_unknown_in_a_resolution_is_called_that() {
    let running = Running::start();
    running.evaluation(&marked(r#"{"cv":"x"}"#));
    let id = hear(&running)[0]["review_id"].as_str().unwrap().to_owned();
    let said = resolve(&running, &id, &json!({ "by": "j", "outcome": "granted", "ada@example.com": 1 }));
    assert_eq!(said.status, 400);
    let said = said.json()["error"].as_str().unwrap().to_owned();
    assert!(said.starts_with("a field is unknown: expected one of `by`, `outcome`") && !said.contains("ada"), "{said}");
}

#[test]
fn a_resolution_is_recorded_and_there_is_one() {
    let running = Running::start();
    running.evaluation(&marked(r#"{"proposal":"refuse"}"#));
    let id = hear(&running)[0]["review_id"].as_str().unwrap().to_owned();
    let good = json!({ "by": "j.doe", "outcome": "granted", "changed_proposal": true, "note": "parental leave" });
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed
    };
    let wrong = [
        with("by", json!("")),
        with("by", json!("a\nb")),
        with("by", json!("x".repeat(129))),
        with("outcome", json!("maybe")),
        with("changed_proposal", Value::Null),
        with("note", json!("x".repeat(4_097))),
        with("more", json!(1)),
        json!([]),
    ];
    for wrong in wrong {
        assert_eq!(resolve(&running, &id, &wrong).status, 400, "{wrong}");
    }
    let before = now().0;
    let resolved = resolve(&running, &id, &good);
    assert_eq!(resolved.status, 200, "{}", resolved.body);
    let resolved = resolved.json();
    assert_eq!(resolved["state"], "resolved");
    for (field, value) in good.as_object().unwrap() {
        assert_eq!(resolved["resolution"][field], *value, "{field}");
    }
    assert!((0..60_000).contains(&(resolved["resolution"]["at"].as_i64().unwrap() - before)));
    assert_eq!(resolve(&running, &id, &good).json(), resolved, "whoever says the same again is told that it is so");
    let second = resolve(&running, &id, &with("outcome", json!("refused")));
    assert_eq!(second.status, 409);
    assert_eq!(second.json()["error"], "the review was resolved already, by j.doe");
    let states = reviews_in(&running.dir.path().join("spool"));
    assert_eq!(states.len(), 2, "the review, and its resolution");
    assert_eq!((&states[1]["resolution"], &states[1]["material"]), (&resolved["resolution"], &states[0]["material"]));
    let metrics = running.get("/metrics").body;
    assert!(metrics.contains("quell_gate_reviews_resolved_total{outcome=\"granted\"} 1"), "{metrics}");
}

#[test]
fn whether_a_proposal_was_changed_is_asked_only_where_there_is_one() {
    let running = Running::start();
    running.evaluation(&marked(r#"{"cv":"x"}"#));
    running.evaluation(&marked(r#"{"proposal":"refuse"}"#));
    let recorded = hear(&running);
    let [without, with] = [0, 1].map(|at: usize| recorded[at]["review_id"].as_str().unwrap());
    let said = resolve(&running, without, &json!({ "by": "j", "outcome": "granted", "changed_proposal": false }));
    assert_eq!(said.status, 400);
    assert_eq!(resolve(&running, without, &json!({ "by": "j", "outcome": "granted" })).status, 200);
    assert_eq!(
        resolve(&running, with, &json!({ "by": "j", "outcome": "dismissed" })).status,
        200,
        "nothing is decided"
    );
}

#[test]
fn what_waits_is_listed_and_counted() {
    let running = Running::start();
    for _ in 0..3 {
        running.evaluation(&asks(("account_id", "hired"), "infer", "hiring"));
    }
    let recorded = hear(&running);
    let ids: Vec<&str> = recorded.iter().map(|review| review["review_id"].as_str().unwrap()).collect();
    assert_eq!(resolve(&running, ids[1], &json!({ "by": "j", "outcome": "refused" })).status, 200);
    let listed = |query: &str| {
        let list = reviewer(&running, "GET", &format!("/v1/reviews{query}"), None).json();
        let reviews = list["reviews"].as_array().unwrap().clone();
        let ids: Vec<String> = reviews.iter().map(|review| review["review_id"].as_str().unwrap().to_owned()).collect();
        (ids, list["more"].as_bool().unwrap())
    };
    let named = |at: &[usize]| at.iter().map(|at| ids[*at].to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(""), (named(&[0, 2]), false));
    assert_eq!(listed("?limit=1"), (named(&[0]), true));
    assert_eq!(listed(&format!("?limit=1&after={}", ids[0])), (named(&[2]), false));
    assert_eq!(listed("?state=resolved"), (named(&[1]), false));
    assert_eq!(listed("?system=credit"), (vec![], false));
    assert_eq!(reviewer(&running, "GET", "/v1/reviews?state=open", None).status, 400);
    assert_eq!(measured(&running, "quell_gate_reviews_pending{system=\"hiring\"}"), 2.0);
    assert_eq!(measured(&running, "quell_gate_reviews_pending{system=\"credit\"}"), 0.0);
    assert!((0.0..60.0).contains(&measured(&running, "quell_gate_reviews_oldest_pending_seconds")));
}

#[test]
fn how_long_the_oldest_has_waited_is_measured_until_it_is_resolved() {
    let running = Running::start();
    for _ in 0..2 {
        running.evaluation(&asks(("account_id", "hired"), "infer", "hiring"));
    }
    let mut recorded = reviews_in(&running.dir.path().join("spool"));
    let an_hour_ago = now().0 - 3_600_000;
    recorded[1]["created_at"] = json!(an_hour_ago);
    for (offset, review) in (0..).zip(&recorded) {
        let review = Decoder::new(None).review(Some(review.to_string().as_bytes())).unwrap();
        running.gate.take_review(review, Place { partition: 0, offset });
    }
    running.gate.set_reviews_read();
    let waited = || measured(&running, "quell_gate_reviews_oldest_pending_seconds");
    let resolved = |at: usize| {
        let id = recorded[at]["review_id"].as_str().unwrap();
        resolve(&running, id, &json!({ "by": "j", "outcome": "refused" })).status
    };
    assert!((3_600.0..3_660.0).contains(&waited()));
    assert_eq!(resolved(1), 200);
    assert!((0.0..60.0).contains(&waited()), "the other one has just been opened");
    assert_eq!((resolved(0), waited()), (200, 0.0));
}

#[test]
fn reviews_are_for_those_who_have_the_token_for_them() {
    let running = Running::with(crate::running::POLICY, "admt_system", Some("askers"), 1 << 20);
    let of = |token: &str| {
        let bearer = format!("Bearer {token}");
        running.ask("GET", "/v1/reviews", &[("authorization", &bearer)], None).status
    };
    assert_eq!(running.get("/v1/reviews").status, 401);
    assert_eq!(of("askers"), 401, "who asks for decisions does not make them");
    assert_eq!(of(REVIEWER), 503, "not all have been read");
    running.gate.set_reviews_read();
    assert_eq!(of(REVIEWER), 200);
    let unknown = reviewer(&running, "GET", "/v1/reviews/0190a0c4-506c-7000-8000-000000000000", None);
    assert_eq!(unknown.status, 404);
    let resolution = json!({ "by": "j", "outcome": "granted" });
    assert_eq!(resolve(&running, "0190a0c4-506c-7000-8000-000000000000", &resolution).status, 404);
}
