//! No line of the log tells who somebody is: not at the most talkative level, not of what is refused, not when the engine
//! panics, and not when somebody asks for an identifier. Nor does the gate's.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::events::{choice, link};
use quell_testbed::instance::Instance;
use quell_testbed::{now_millis, wait_for};
use quell_wire::{Encoder, Format};

const CANARY: &str = "canary-4711";
/// `canary-4711@example.com`, hashed: as good as a name to whoever has a list of addresses.
const CANARY_SHA256: &str = "4387e969aec182758056596413f50a9144bc2bc08ca6c52f7cc6699f574719c8";

#[test]
fn no_identifier_is_in_the_log() {
    let deployment = Deployment::new();
    let topics = deployment.topics().clone();
    let (cookie, account) = (("cookie_id", CANARY), ("account_id", "canary-4711-account"));
    let email = ("email", "canary-4711@example.com");
    let avro = Encoder::new(Format::Avro, None);
    let mut produced: Vec<Produced> = [
        choice("in", Action::OptOut, "sale", cookie),
        link("one", true, cookie, account),
        link("two", true, account, email),
        link("three", false, account, email),
        choice("out", Action::OptIn, "sale", cookie),
        choice("poison", Action::OptOut, "sale", cookie),
        // Refused: a type, and a right, that nobody declares.
        choice("type", Action::OptOut, "sale", (CANARY, CANARY)),
        choice("right", Action::OptOut, CANARY, cookie),
        link("itself", true, cookie, cookie),
    ]
    .iter()
    .map(|event| event.record(&deployment, &avro))
    .collect();
    let malformed = format!(r#"{{"event_id":"{CANARY}","identifiers":"{CANARY}","#);
    let long = format!(
        r#"{{"event_id":"long","action":"OPT_OUT","rights":["sale"],"identifiers":[{{"type":"cookie_id","value":"{}"}}],"effective_at":1,"received_at":1,"source":"s"}}"#,
        CANARY.repeat(60)
    );
    let ack = format!(
        r#"{{"downstream":"nobody","identifier":{{"type":"cookie_id","value":"{CANARY}"}},"version":1,"outcome":"APPLIED","applied_at":{}}}"#,
        now_millis()
    );
    for (topic, value) in [(&topics.choices, malformed), (&topics.choices, long), (&topics.acks, ack)] {
        let (key, value) = (Some(CANARY.as_bytes().to_vec()), Some(value.into_bytes()));
        produced.push(Produced { topic: topic.clone(), key, value, ..Produced::default() });
    }
    deployment.produce(produced);
    let talkative = [("QUELL_LOG__LEVEL", "trace"), ("QUELL_TEST_POISON", "poison"), ("RUST_BACKTRACE", "full")];
    let engine = deployment.start_with("one", &talkative).wait_until_ready();
    wait_for("all that is refused", || (deployment.read(&topics.dead_letters).len() == 7).then_some(()));
    wait_for("the rest", || engine.is_at_rest().then_some(()));
    for path in
        ["cookie_id/canary-4711", "email/canary-4711@example.com", "canary-4711/x", "cookie_id/canary-4711-nobody"]
    {
        assert!(engine.get(&format!("/v1/identifiers/{path}")).is_some());
    }
    assert!(engine.log().contains("panicked"), "it was talkative: {}", engine.log());
    names_nobody(&engine);
    assert!(engine.stop().success());
}

fn names_nobody(process: &Instance) {
    let (log, metrics) = (process.log(), process.get("/metrics").unwrap().1);
    assert!(log.contains("TRACE"), "it was talkative: {log}");
    for secret in [CANARY, CANARY_SHA256] {
        let line = log.lines().find(|line| line.to_lowercase().contains(secret));
        assert_eq!(line, None, "the log names an identifier");
        assert!(!metrics.contains(secret), "a metric names an identifier");
    }
}

#[test]
fn no_identifier_is_in_the_gates_log() {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    let malformed = Produced {
        topic: deployment.gates_topic(),
        key: Some(format!("account_id:{CANARY}-malformed").into_bytes()),
        value: Some(format!(r#"{{"identifier":"{CANARY}","#).into_bytes()),
        ..Produced::default()
    };
    let nobodys = Produced { key: Some(CANARY.as_bytes().to_vec()), ..malformed.clone() };
    deployment.produce([deployment.suppression(CANARY, 1, true), malformed, nobodys]);
    deployment.say_all_is_known();
    let gate = deployment.start_gate_with("gate", &[("QUELL_GATE_LOG__LEVEL", "trace")]).wait_until_ready();
    gate.wait_until(("account_id", CANARY), "hiring", false, "suppressed");
    gate.wait_until(("account_id", &format!("{CANARY}-malformed")), "credit", false, "suppressed");
    gate.wait_until(("email", "canary-4711@example.com"), "hiring", true, "clear");
    assert_eq!(gate.count("quell_gate_records_not_understood_total", &[]), 2.0);
    for (subject, system) in
        [((CANARY, CANARY), "hiring"), (("account_id", ""), "hiring"), (("cookie_id", "c"), CANARY)]
    {
        assert_eq!(gate.ask(subject, system).unwrap().decision(), Some(false));
    }
    let json = [("content-type", "application/json")];
    let broken = format!(r#"{{"subject":{{"type":"{CANARY}","id":["{CANARY}"]}},"{CANARY}":1}}"#);
    assert_eq!(gate.request("POST", "/access/v1/evaluation", &json, &broken).unwrap().0, 400);
    let envoy = [("x-quell-subject", "account_id:canary-4711"), ("x-request-id", CANARY)];
    assert_eq!(gate.request("GET", "/ext_authz/hiring/canary-4711", &envoy, "").unwrap().0, 403);
    names_nobody(&gate);
    assert!(gate.stop().success());
}
