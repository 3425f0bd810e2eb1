//! A decision that is left to a human is an entry on `quell.reviews`, which every gate shows. A human resolves it by the
//! command line at one of them; that survives `kill -9`, is known to the other, and neither a repeat of the entry nor a
//! resolution that is made at the same time undoes it.

use std::process::Output;

use quell_kafka::ReadRecord;
use quell_testbed::deployment::{Deployment, POLICY, Produced};
use quell_testbed::gate::GateInstance;
use quell_testbed::wait_for;
use quell_wire::{Decoder, Encoder, Format, ReviewMessage};
use serde_json::{Value, json};

const TOKEN: &str = "token = \"for-reviewers\"";

fn policy() -> String {
    format!("{POLICY}\n[admt_systems.hiring]\nmax_staleness = \"10m\"\nalternative = \"human_review\"\n")
}

/// What a reviewer's command prints, at a gate.
fn reviews(deployment: &Deployment, gate: &GateInstance, arguments: &[&str]) -> Output {
    let url = gate.url();
    deployment.quell_gate(&[&["reviews"], arguments, &["--json", "--url", &url]].concat())
}

fn shown(deployment: &Deployment, gate: &GateInstance, id: &str) -> Option<Value> {
    let shown = reviews(deployment, gate, &["show", id]);
    shown.status.success().then(|| serde_json::from_slice(&shown.stdout).unwrap())
}

fn wait_until_resolved(deployment: &Deployment, gate: &GateInstance, id: &str) -> Value {
    wait_for("the resolution", || shown(deployment, gate, id).filter(|review| review["state"] == "resolved"))
}

/// The states of the review in the topic, in their order.
fn states(deployment: &Deployment, id: &str) -> Vec<(ReadRecord, ReviewMessage)> {
    let records = deployment.read(&deployment.reviews_topic()).into_iter();
    let ours = records.filter(|record| record.key.as_deref() == Some(id.as_bytes()));
    ours.map(|record| {
        let review = Decoder::new(None).review(record.value.as_deref()).unwrap();
        (record, review)
    })
    .collect()
}

/// Puts a state behind all others, and waits until the last one that follows is as it should be.
fn comes_late(
    deployment: &Deployment,
    entry: &ReadRecord,
    late: &ReviewMessage,
    is_right: impl Fn(&ReviewMessage) -> bool,
) {
    let topic = deployment.reviews_topic();
    let before = states(deployment, &late.review_id).len();
    deployment.produce([Produced {
        value: Some(Encoder::new(Format::Avro, None).review(&topic, late).unwrap()),
        topic,
        key: entry.key.clone(),
        partition: Some(entry.partition.try_into().unwrap()),
        ..Produced::default()
    }]);
    wait_for("the state that holds to be the last", || {
        let states = states(deployment, &late.review_id);
        (states.len() > before && is_right(&states.last()?.1)).then_some(())
    });
}

fn is_by(review: &ReviewMessage, by: &str) -> bool {
    review.resolution.as_ref().is_some_and(|resolution| resolution.by == by)
}

#[test]
fn a_review_is_resolved_once() {
    let deployment =
        Deployment::with(&policy(), &[("gate.toml:spool", "deadline = \"20s\""), ("gate.toml:reviews", TOKEN)]);
    deployment.make_gate_topics();
    deployment.produce([deployment.suppression("out", 1, true)]);
    deployment.say_all_is_known();
    let [one, two] = ["one", "two"].map(|name| deployment.start_gate(name).wait_until_ready());

    let question = json!({
        "subject": { "type": "account_id", "id": "out" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "context": { "review": { "proposal": "refuse", "cv": "applications/17" } },
    });
    let answered = one.evaluate(&question).unwrap();
    let owed = &answered.body["context"]["obligations"][0]["properties"];
    let id = owed["review_id"].as_str().unwrap().to_owned();
    assert_eq!(owed["review_url"], format!("{}/v1/reviews/{id}", one.url()));
    let pending = wait_for("the review at the other gate", || shown(&deployment, &two, &id));
    assert_eq!((&pending["state"], &pending["material"]["cv"]), (&json!("pending"), &json!("applications/17")));
    let listed = reviews(&deployment, &two, &["list", "--system", "hiring"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["reviews"][0]["review_id"], id);
    assert_eq!(two.count("quell_gate_reviews_pending", &["hiring"]), 1.0);

    wait_for("the review at this gate", || shown(&deployment, &one, &id));
    let resolve = ["resolve", &id, "--outcome", "granted", "--by", "j.doe", "--proposal", "changed"];
    let resolved = reviews(&deployment, &one, &resolve);
    one.kill();
    assert!(resolved.status.success(), "{resolved:?}");
    let resolved: Value = serde_json::from_slice(&resolved.stdout).unwrap();
    let one = deployment.start_gate("one").wait_until_ready();
    for gate in [&one, &two] {
        assert_eq!(wait_until_resolved(&deployment, gate, &id), resolved);
    }
    assert_eq!(two.count("quell_gate_reviews_pending", &["hiring"]), 0.0);
    let second =
        reviews(&deployment, &two, &["resolve", &id, "--outcome", "refused", "--by", "ben", "--proposal", "kept"]);
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&second.stderr), "quell: the review was resolved already, by j.doe\n");

    // As the spool of a gate that comes back late would: the entry as it was, behind its resolution.
    let recorded = states(&deployment, &id);
    let (entry, opened) = &recorded[0];
    assert_eq!(opened.resolution, None);
    // By its id (a UUID of version 7) it is found again. What is decided goes by a steadier clock.
    assert_eq!(entry.timestamp.0, i64::from_str_radix(&id[..13].replace('-', ""), 16).unwrap());
    assert!(entry.timestamp.0.abs_diff(opened.created_at) < 1_000, "{entry:?}");
    comes_late(&deployment, entry, opened, |last| last.resolution == recorded.last().unwrap().1.resolution);

    // And what two gates would that resolve it at once: the earlier of the resolutions holds, whichever comes last.
    let by = |by: &str, later_millis: i64| {
        let mut review = recorded.last().unwrap().1.clone();
        let resolution = review.resolution.as_mut().unwrap();
        (resolution.by, resolution.at) = (by.to_owned(), resolution.at + later_millis);
        review
    };
    comes_late(&deployment, entry, &by("cyn", 1_000), |last| is_by(last, "j.doe"));
    comes_late(&deployment, entry, &by("ada", -1_000), |last| is_by(last, "ada"));
    wait_for("the second resolution to be noticed", || {
        (one.metric("quell_gate_reviews_resolved_twice_total", &[])? >= 2.0).then_some(())
    });
    let anew = deployment.start_gate("three").wait_until_ready();
    for gate in [&one, &two, &anew] {
        wait_for("the earlier resolution", || {
            shown(&deployment, gate, &id).filter(|review| review["resolution"]["by"] == "ada")
        });
    }
    assert!(one.stop().success() && two.stop().success() && anew.stop().success());
}
