//! A decision is certified when it is made, or later by its id: by the gate that made it or another, after a restart of
//! either. Keys are rotated under a running gate.

use std::collections::BTreeSet;
use std::path::PathBuf;

use quell_certificate::SigningKey;
use quell_domain::Millis;
use quell_gate::certificates::KeyDirectory;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::gate::{Answered, GateInstance};
use quell_testbed::{now_millis, wait_for};
use serde_json::{Value, json};

/// Around the one that is looked for.
const DECISIONS: usize = 300;

fn deployment() -> Deployment {
    // A disk that is shared with a broker may take long.
    let deployment = Deployment::with(POLICY, &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    succeeds(&deployment, &["keys", "generate"]);
    deployment
}

fn succeeds(deployment: &Deployment, arguments: &[&str]) -> String {
    let done = deployment.quell_gate(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn asks_for_certificate(gate: &GateInstance) -> Answered {
    let question = json!({
        "subject": { "type": "account_id", "id": "jane" },
        "action": { "name": "infer" },
        "resource": { "type": "admt_system", "id": "hiring" },
        "context": { "certificate": true },
    });
    gate.evaluate(&question).unwrap()
}

fn certificate(answered: &Answered) -> String {
    answered.body["context"]["certificate"].as_str().unwrap_or_else(|| panic!("{answered:?}")).to_owned()
}

fn by_id(gate: &GateInstance, id: &str) -> (u16, String) {
    gate.get(&format!("/v1/decisions/{id}/certificate")).unwrap()
}

fn published(gate: &GateInstance) -> String {
    gate.get("/.well-known/jwks.json").unwrap().1
}

/// What `quell certificate verify` prints, from files alone, or what it says on stderr behind its exit code.
fn verify(deployment: &Deployment, jws: &str, jwks: &str, more: &[&str]) -> Result<Value, String> {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = deployment.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (jws, jwks) = (file("decision.jwt", &format!("{jws}\n")), file("jwks.json", jwks));
    let arguments = ["certificate", "verify", jws.to_str().unwrap(), "--jwks", jwks.to_str().unwrap()];
    let done = deployment.quell_gate(&[&arguments, more].concat());
    if done.status.success() {
        return Ok(serde_json::from_slice(&done.stdout).unwrap());
    }
    Err(format!("{} {}", done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr)))
}

#[test]
fn a_decision_can_be_certified_later_by_any_gate() {
    let deployment = deployment();
    let first = deployment.start_gate("first").wait_until_ready();
    let answered = asks_for_certificate(&first);
    let ids: Vec<String> = (0..DECISIONS)
        .map(|number| first.ask(("account_id", &format!("a-{number}")), "hiring").unwrap().decision_id().to_owned())
        .collect();
    // In the spool of the one that made it, if not in Kafka yet.
    assert_eq!(by_id(&first, &ids[DECISIONS - 1]).0, 200);
    wait_for("all decisions to be in kafka", || {
        let recorded: BTreeSet<String> = deployment.recorded_decisions();
        ids.iter().all(|id| recorded.contains(id)).then_some(())
    });
    assert!(first.stop().success());
    std::fs::remove_dir_all(deployment.spool_of("first")).unwrap();

    let second = deployment.start_gate("second").wait_until_ready();
    let jwks = published(&second);
    for id in [&ids[0], &ids[DECISIONS / 2], &ids[DECISIONS - 1]] {
        let (status, jws) = by_id(&second, id);
        assert_eq!(status, 200, "{jws}");
        assert_eq!(verify(&deployment, &jws, &jwks, &[]).unwrap()["decision_id"], id.as_str());
    }
    let claims = verify(&deployment, &certificate(&answered), &jwks, &[]).unwrap();
    let later = verify(&deployment, &by_id(&second, answered.decision_id()).1, &jwks, &[]).unwrap();
    let without_time = |mut claims: Value| claims.as_object_mut().unwrap().remove("iat").map(|_| claims).unwrap();
    assert_eq!(without_time(claims), without_time(later), "what is read from kafka is what was decided");

    let never = ids[0].replace(&ids[0][30..], "ffffff");
    let (status, said) = by_id(&second, &never);
    assert_eq!(status, 404, "{said}");
    assert!(said.contains("no decision with this id is in"), "{said}");
}

#[test]
fn whom_a_certificate_is_about_is_shown_by_its_subject_key_and_nothing_else() {
    let deployment = deployment();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let answered = asks_for_certificate(&gate);
    let (jws, jwks) = (certificate(&answered), published(&gate));
    let key = answered.body["context"]["subject_key"].as_str().unwrap();
    let shows = |subject: &str| verify(&deployment, &jws, &jwks, &["--subject", subject, "--subject-key", key]);
    assert!(!shows("account_id=jane").unwrap().to_string().contains("jane"));
    let other = shows("account_id=joan").unwrap_err();
    assert!(other.starts_with("1 quell: the signature holds: the certificate is not about that subject"), "{other}");
    let another = certificate(&asks_for_certificate(&gate));
    let said = verify(&deployment, &another, &jwks, &["--subject", "account_id=jane", "--subject-key", key]);
    assert!(said.unwrap_err().contains("the subject key is that of another certificate"));
    let half = jws.len() / 2;
    let altered = [&jws[..half], if &jws[half..=half] == "A" { "B" } else { "A" }, &jws[half + 1..]].concat();
    let said = verify(&deployment, &altered, &jwks, &[]).unwrap_err();
    assert!(said.starts_with("1 quell: ") && said.contains("proves nothing"), "{said}");
    assert!(gate.stop().success());
}

#[test]
fn a_key_is_rotated_under_a_running_gate() {
    let deployment = deployment();
    let gate = deployment.start_gate("gate").wait_until_ready();
    let kid = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kid"].as_str().unwrap().to_owned();
    let first = kid(&succeeds(&deployment, &["keys", "list", "--json"]));
    let before = certificate(&asks_for_certificate(&gate));
    assert!(published(&gate).contains(&first));

    succeeds(&deployment, &["keys", "rotate", "--after", "2h"]);
    let listed = succeeds(&deployment, &["keys", "list", "--json"]);
    let second = listed.lines().map(kid).find(|kid| *kid != first).unwrap();
    wait_for("the second key to be published", || published(&gate).contains(&second).then_some(()));
    let unused = certificate(&asks_for_certificate(&gate));
    let only_the_second = json!({ "keys": [of(&published(&gate), &second)] }).to_string();
    assert!(verify(&deployment, &unused, &only_the_second, &[]).is_err(), "it signs before its time");
    std::fs::remove_file(deployment.keys().join(format!("key-{second}.jwk"))).unwrap();

    // One whose time the test can wait for.
    let used_from = now_millis() + 3_000;
    let third = SigningKey::new(&[3; 32], Millis(now_millis()), Millis(used_from));
    KeyDirectory::new(deployment.keys()).add(&third).unwrap();
    let third = third.id().to_string();
    wait_for("the third key to be published", || published(&gate).contains(&third).then_some(()));
    let only_the_third = json!({ "keys": [of(&published(&gate), &third)] }).to_string();
    let claims = wait_for("the third key to sign", || {
        verify(&deployment, &certificate(&asks_for_certificate(&gate)), &only_the_third, &[]).ok()
    });
    assert!(claims["iat"].as_i64().unwrap() >= used_from / 1_000, "it signed before its time");
    verify(&deployment, &before, &published(&gate), &[]).unwrap();
    assert!(gate.stop().success());
}

fn of(jwks: &str, kid: &str) -> Value {
    let set: Value = serde_json::from_str(jwks).unwrap();
    set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
}
