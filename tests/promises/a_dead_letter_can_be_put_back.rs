//! `quell deadletters list` shows what was refused; `replay` puts it back as it was, once what was wrong is mended.

use quell_testbed::deployment::{Deployment, POLICY, Produced};
use quell_testbed::outcome::published;
use quell_testbed::{now_millis, wait_for};

#[test]
fn a_dead_letter_can_be_put_back() {
    let deployment = Deployment::new();
    let topics = deployment.topics().clone();
    let now = now_millis();
    let text = format!(
        r#"{{"event_id":"x","action":"OPT_OUT","rights":["profiling"],"identifiers":[{{"type":"cookie_id","value":"c"}}],"effective_at":{now},"received_at":{now},"source":"s"}}"#
    );
    let record = Produced {
        topic: topics.choices.clone(),
        key: Some(b"key".to_vec()),
        value: Some(text.into_bytes()),
        headers: vec![("h".to_owned(), b"v".to_vec())],
        partition: Some(1),
    };
    let engine = deployment.start("one").wait_until_ready();
    deployment.produce([record.clone()]);
    wait_for("the dead letter", || (deployment.read(&topics.dead_letters).len() == 1).then_some(()));
    assert!(engine.stop().success());

    let listed = deployment.quell(&["deadletters", "list", "--code", "unknown_right"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("unknown_right") && listed.contains(&topics.choices), "{listed}");
    let none = deployment.quell(&["deadletters", "list", "--code", "future"]);
    assert!(!String::from_utf8(none.stdout).unwrap().contains("unknown_right"));

    // The right is declared, and the record put back.
    let policy =
        POLICY.replace("PREFIX", &deployment.prefix).replace("[rights.sale]", "[rights.profiling]\n[rights.sale]");
    let policy = policy.replace(r#"rights = ["sale", "sharing"]"#, r#"rights = ["sale", "sharing", "profiling"]"#);
    std::fs::write(deployment.dir.path().join("policy.toml"), policy).unwrap();
    let replayed = deployment.quell(&["deadletters", "replay", "--code", "unknown_right"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let back = deployment.read(&topics.choices);
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|read| read.key == record.key && read.value == record.value));
    assert!(back.iter().all(|read| read.headers == vec![("h".to_owned(), Some(b"v".to_vec()))]));
    assert_eq!(back[0].timestamp, back[1].timestamp);

    let engine = deployment.start("one").wait_until_ready();
    wait_for("the choice to take effect", || (published(&deployment).messages == 1).then_some(()));
    assert!(engine.stop().success());
}
