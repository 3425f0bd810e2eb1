//! OpenID AuthZEN Authorization API 1.0: what a decision point must do, one test each.

use serde_json::{Value, json};

use crate::running::{POLICY, Running, account, asks, now};

#[test]
fn a_decision_is_a_boolean_with_a_context() {
    let running = Running::start();
    let answered = running.evaluation(&asks(("account_id", "somebody"), "infer", "hiring"));
    assert_eq!(answered.header("content-type"), Some("application/json"));
    assert_eq!(answered.decision(), (true, "clear".to_owned()));
    let context = &answered.json()["context"];
    assert_eq!(context["policy_version"], "p-1");
    assert!(context["as_of"].is_i64() && context["staleness_ms"].is_u64() && context["decision_id"].is_string());
    assert!(context.get("right").is_none() && context.get("obligations").is_none());
}

#[test]
fn a_deny_is_200_and_says_what_is_to_be_done_instead() {
    let running = Running::start();
    let answered = running.evaluation(&asks(("account_id", "hired"), "infer", "hiring"));
    assert_eq!(answered.decision(), (false, "suppressed".to_owned()));
    let context = &answered.json()["context"];
    let named = json!([context["right"], context["choice_id"], context["since"], context["inherited"]]);
    assert_eq!(named, json!(["admt:hiring", "choice-of-admt:hiring", 1_780_000_000_000i64, true]));
    let id = &context["decision_id"];
    let url = running.url(&format!("/v1/reviews/{}", id.as_str().unwrap()));
    let properties = json!({ "action": "human_review", "review_id": id, "review_url": url });
    let expected = json!([{ "id": id, "type": "custom", "properties": properties }]);
    assert_eq!(context["obligations"], expected);
}

#[test]
fn what_is_unknown_is_a_deny_with_its_reason() {
    let running = Running::start();
    for (body, reason) in [
        (asks(("account_id", "somebody"), "infer", "unheard-of"), "unknown_system"),
        (asks(("account_id", "somebody"), "explain", "hiring"), "unknown_action"),
        (asks(("shoe_size", "43"), "infer", "hiring"), "unknown_identifier_type"),
        (asks(("account_id", ""), "infer", "hiring"), "invalid_identifier"),
        (asks(("account_id", "somebody"), "infer", "hiring").replace("admt_system", "record"), "unknown_resource_type"),
    ] {
        assert_eq!(running.evaluation(&body).decision(), (false, reason.to_owned()));
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_400() {
    let running = Running::start();
    let good: Value = serde_json::from_str(&asks(("account_id", "a"), "infer", "hiring")).unwrap();
    let mut bad = Vec::new();
    for (entity, fields) in
        [("subject", vec!["type", "id"]), ("resource", vec!["type", "id"]), ("action", vec!["name"])]
    {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(entity);
        bad.push(without);
        for wrong in [json!(null), json!("text"), json!(7), json!(["a", "b"])] {
            let mut with = good.clone();
            with[entity] = wrong;
            bad.push(with);
        }
        for field in fields {
            let mut without = good.clone();
            without[entity].as_object_mut().unwrap().remove(field);
            bad.push(without);
            for wrong in [json!(null), json!(7), json!({}), json!(true)] {
                let mut with = good.clone();
                with[entity][field] = wrong;
                bad.push(with);
            }
        }
        for wrong in [json!("text"), json!(7), json!([])] {
            let mut with = good.clone();
            with[entity]["properties"] = wrong;
            bad.push(with);
        }
    }
    for wrong in
        [json!("text"), json!({ "human_review": "yes" }), json!({ "input_sha256": "abc" }), json!({ "model": 7 })]
    {
        let mut with = good.clone();
        with["context"] = wrong;
        bad.push(with);
    }
    for body in bad {
        for path in ["/access/v1/evaluation", "/access/v1/evaluations"] {
            let answered = running.post(path, &body.to_string());
            assert_eq!(answered.status, 400, "{path}: {body}");
            assert!(!answered.body.is_empty());
        }
    }
}

#[test]
fn a_broken_empty_or_foreign_body_is_400() {
    let running = Running::start();
    let good = asks(("account_id", "a"), "infer", "hiring");
    let twice = good.replacen('{', r#"{"subject":{"type":"account_id","id":"other"},"#, 1);
    for body in ["", " ", "{", "[]", "null", "\"text\"", &good[..good.len() - 1], &format!("{good}x"), &twice] {
        assert_eq!(running.evaluation(body).status, 400, "{body}");
        assert_eq!(running.evaluations(body).status, 400, "{body}");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json5", ""] {
        let answered = running.ask("POST", "/access/v1/evaluation", &[("content-type", content_type)], Some(&good));
        assert_eq!(answered.status, 400, "{content_type}");
    }
    for content_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        let answered = running.ask("POST", "/access/v1/evaluation", &[("content-type", content_type)], Some(&good));
        assert_eq!(answered.status, 200, "{content_type}");
    }
    let large = good.replacen('{', &format!(r#"{{"padding":"{}","#, "x".repeat(1 << 20)), 1);
    assert_eq!(running.evaluation(&large).status, 413);
    let other_method = running.ask("GET", "/access/v1/evaluation", &[], None);
    assert_eq!((other_method.status, other_method.header("allow")), (405, Some("POST")));
}

#[test]
fn unknown_fields_are_ignored_wherever_they_stand() {
    let running = Running::start();
    let body = json!({
        "futureField": { "nested": [true] },
        "subject": { "type": "account_id", "id": "somebody", "properties": { "department": "Sales" }, "more": 1 },
        "action": { "name": "infer", "properties": { "method": "GET" }, "more": null },
        "resource": { "type": "admt_system", "id": "hiring", "properties": {}, "more": "x" },
        "context": { "time": "2025-06-27T18:03-07:00", "model": { "name": "m", "more": 1 } },
        "evaluations": "not of this endpoint",
    });
    assert_eq!(running.evaluation(&body.to_string()).decision(), (true, "clear".to_owned()));
}

#[test]
fn the_requests_id_comes_back_with_every_answer() {
    let running = Running::start();
    let good = asks(("account_id", "a"), "infer", "hiring");
    let large = "x".repeat((1 << 20) + 1);
    let json_type = ("content-type", "application/json");
    for (method, path, headers, body) in [
        ("POST", "/access/v1/evaluation", vec![json_type], Some(good.as_str())),
        ("POST", "/access/v1/evaluations", vec![json_type], Some(good.as_str())),
        ("POST", "/access/v1/evaluation", vec![json_type], Some("broken")),
        ("POST", "/access/v1/evaluation", vec![], Some("broken")),
        ("GET", "/.well-known/authzen-configuration", vec![], None),
        ("GET", "/ext_authz/hiring/x", vec![("x-quell-subject", "account_id:a")], None),
        ("GET", "/ext_authz/hiring/caf%e9", vec![("x-quell-subject", "account_id:a")], None),
        ("GET", "/nowhere", vec![], None),
        ("GET", "/.well-known/authzen-configuration/elsewhere", vec![], None),
        ("GET", "/access/v1/evaluation", vec![], None),
        ("DELETE", "/access/v1/evaluations", vec![json_type], Some("{}")),
        ("POST", "/.well-known/authzen-configuration", vec![json_type], Some("{}")),
        ("POST", "/access/v1/evaluation/", vec![json_type], Some(good.as_str())),
        ("POST", "/access/v1/search/subject", vec![json_type], Some(good.as_str())),
        ("POST", "/access/v1/evaluation", vec![json_type], Some(&*large)),
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("x-request-id", "id of mine / 1")]).collect();
        let answered = running.ask(method, path, &headers, body);
        assert_eq!(answered.header("x-request-id"), Some("id of mine / 1"), "{method} {path} {body:?}");
    }
    assert_eq!(running.evaluation(&good).header("x-request-id"), None);

    let unsure = Running::with(POLICY, "admt_system", Some("secret"), 1 << 20);
    let credit = asks(("account_id", "a"), "infer", "credit");
    let all_are = |status: u16, token: &str| {
        let bearer = format!("Bearer {token}");
        let shown = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
            ("x-quell-token", token),
            ("x-quell-subject", "account_id:a"),
            ("x-request-id", "id of mine / 1"),
        ];
        for (method, path, body) in [
            ("POST", "/access/v1/evaluation", Some(credit.as_str())),
            ("POST", "/access/v1/evaluations", Some(credit.as_str())),
            ("GET", "/ext_authz/credit/x", None),
        ] {
            let answered = unsure.ask(method, path, &shown, body);
            let said = (answered.status, answered.header("x-request-id"));
            assert_eq!(said, (status, Some("id of mine / 1")), "{method} {path}");
        }
    };
    all_are(401, "wrong");
    all_are(503, "secret"); // not ready
    unsure.gate.set_ready(true);
    all_are(503, "secret"); // stale, and on_stale is error
}

#[test]
fn where_a_token_is_set_a_question_shows_it_or_gets_401() {
    let running = Running::with(POLICY, "admt_system", Some("secret"), 1 << 20);
    running.gate.set_ready(true);
    running.gate.set_as_of(now());
    let good = asks(("account_id", "a"), "infer", "hiring");
    let asked = |authorization: Option<&str>| {
        let shown = authorization.map(|shown| ("authorization", shown));
        let headers: Vec<_> = [("content-type", "application/json")].into_iter().chain(shown).collect();
        running.ask("POST", "/access/v1/evaluation", &headers, Some(&good))
    };
    assert_eq!(asked(Some("Bearer secret")).status, 200);
    for wrong in [None, Some("Bearer other"), Some("secret"), Some("Basic secret")] {
        let answered = asked(wrong);
        assert_eq!((answered.status, answered.header("www-authenticate")), (401, Some("Bearer")), "{wrong:?}");
    }
    let envoy = |token: &str| {
        let headers =
            [("x-quell-subject", "account_id:a"), ("x-quell-token", token), ("authorization", "Bearer theirs")];
        running.ask("GET", "/ext_authz/hiring/", &headers, None).status
    };
    assert_eq!((envoy("secret"), envoy("other")), (200, 401));
}

#[test]
fn the_configuration_says_where_the_endpoints_are_and_has_no_empty_value() {
    let running = Running::start();
    let answered = running.get("/.well-known/authzen-configuration");
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "policy_decision_point": running.url(""),
        "access_evaluation_endpoint": running.url("/access/v1/evaluation"),
        "access_evaluations_endpoint": running.url("/access/v1/evaluations"),
        "supported_obligations": ["custom"],
    });
    assert_eq!(answered.json(), expected);
}

#[test]
fn a_url_of_its_own_is_what_all_else_lies_below_and_is_found_by() {
    for (url, path) in [
        ("https://gate.example.com", ""),
        ("https://gate.example.com/", ""),
        ("https://example.com/gate", "/gate"),
        ("https://example.com/a/gate/", "/a/gate"),
    ] {
        let running = Running::start_under(Some(url));
        let url = url.strip_suffix('/').unwrap_or(url);
        let expected = json!({
            "policy_decision_point": url,
            "access_evaluation_endpoint": format!("{url}/access/v1/evaluation"),
            "access_evaluations_endpoint": format!("{url}/access/v1/evaluations"),
            "supported_obligations": ["custom"],
        });
        let inserted = format!("/.well-known/authzen-configuration{path}");
        for at in [inserted.as_str(), "/.well-known/authzen-configuration"] {
            let answered = running.get(at);
            assert_eq!((answered.status, answered.json()), (200, expected.clone()), "{at}");
        }
        for elsewhere in [format!("{inserted}/"), format!("{inserted}/more"), format!("{inserted}.json")] {
            assert_eq!(running.get(&elsewhere).status, 404, "{elsewhere}");
        }
        let context = running.evaluation(&asks(("account_id", "hired"), "infer", "hiring")).json()["context"].clone();
        let review_url = format!("{url}/v1/reviews/{}", context["decision_id"].as_str().unwrap());
        assert_eq!(context["obligations"][0]["properties"]["review_url"], review_url);
    }
}

#[test]
fn until_it_is_ready_nothing_is_decided() {
    let mut running = Running::with(POLICY, "admt_system", None, 1 << 20);
    let good = asks(("account_id", "a"), "infer", "hiring");
    let answered = running.evaluation(&good);
    assert_eq!((answered.status, answered.header("retry-after")), (503, Some("1")));
    assert_eq!(running.evaluations(&good).status, 503);
    assert_eq!(running.get("/ext_authz/hiring/").status, 503);
    assert_eq!(running.get("/health/ready").status, 503);
    assert_eq!(running.get("/health/live").status, 200);
    running.hears(&account("a"), &[("admt", true)]);
    running.gate.set_ready(true);
    assert_eq!(running.get("/health/ready").status, 200);
    assert_eq!(running.evaluation(&good).decision(), (false, "suppressed".to_owned()));
}

#[test]
fn without_a_token_only_this_machines_own_programs_are_answered() {
    let running = Running::start();
    let asked = |host: &str| {
        let headers = [("content-type", "application/json"), ("host", host)];
        running
            .ask("POST", "/access/v1/evaluation", &headers, Some(&asks(("account_id", "out"), "infer", "hiring")))
            .status
    };
    assert_eq!((asked("localhost:9465"), asked("127.0.0.1"), asked("rebound.example:9465")), (200, 200, 401));
}

#[test]
fn what_is_too_old_is_a_deny_or_503_as_the_system_says() {
    let running = Running::with(POLICY, "admt_system", None, 1 << 20);
    running.gate.set_ready(true);
    let deny = asks(("account_id", "a"), "infer", "hiring");
    let error = asks(("account_id", "a"), "infer", "credit");
    let check = || {
        assert_eq!(running.evaluation(&deny).decision(), (false, "stale".to_owned()));
        let answered = running.evaluation(&error);
        assert_eq!((answered.status, answered.json()["context"]["reason"].as_str()), (503, Some("stale")));
        assert_eq!(answered.json()["decision"], false);
    };
    check();
    running.gate.set_as_of(quell_domain::Millis(now().0 - 10_500));
    check();
    running.gate.set_as_of(now());
    assert_eq!(running.evaluation(&deny).decision(), (true, "clear".to_owned()));
    assert_eq!(running.evaluation(&error).decision(), (true, "clear".to_owned()));
}

#[test]
fn a_human_is_asked_for_by_the_context() {
    let running = Running::start();
    let asked = |wish: bool| {
        let mut body: Value = serde_json::from_str(&asks(("account_id", "a"), "infer", "hiring")).unwrap();
        body["context"] = json!({ "human_review": wish });
        running.evaluation(&body.to_string()).decision()
    };
    assert_eq!(asked(true), (false, "needs_review".to_owned()));
    assert_eq!(asked(false), (true, "clear".to_owned()));
}
