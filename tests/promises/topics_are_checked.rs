//! `quell topics create` makes what is missing and can be repeated; `quell run` and `quell gate` say what is wrong and
//! which command mends it. What a gate rests on is kept: every current suppression, watermark and review, and every
//! decision for 24 months.
//!
//! Not tested: that brokers do as their settings say.

use quell_testbed::deployment::Deployment;

/// 24 months.
const DECISIONS_KEPT_MILLIS: u64 = 730 * 24 * 60 * 60 * 1_000;

#[test]
fn topics_create_can_be_repeated() {
    let deployment = Deployment::new();
    let again = deployment.quell(&["topics", "create"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn run_says_which_topic_is_missing() {
    let deployment = Deployment::new();
    let topic = deployment.topics().links.clone();
    let config = std::fs::read_to_string(deployment.configure("one", 1)).unwrap();
    let path = deployment.dir.path().join("missing.toml");
    std::fs::write(&path, config.replace(&topic, "no-such-topic")).unwrap();
    let ended = quell_testbed::deployment::quell(&path, &["run"]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("no-such-topic is missing") && said.contains("quell topics create"), "{said}");
}

#[test]
fn the_gates_topics_are_made_and_checked() {
    let deployment = Deployment::new();
    let (status, log) = deployment.start_gate("gate").ended();
    assert_eq!(status.code(), Some(1));
    let missing = format!("topic {} is missing; make it by `quell topics create --gate`", deployment.decisions_topic());
    assert!(log.contains(&missing), "{log}");

    deployment.make_gate_topics();
    let again = deployment.quell_gate(&["topics", "create", "--gate"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    assert_eq!(String::from_utf8(again.stdout).unwrap().matches("kept ").count(), 2);
    assert!(deployment.start_gate("gate").wait_until_ready().stop().success());

    let cleanup = |topic: &str| deployment.topic_setting(topic, "cleanup.policy");
    for topic in [deployment.gates_topic(), deployment.topics().watermarks.clone(), deployment.reviews_topic()] {
        assert_eq!(cleanup(&topic), "compact", "{topic}");
    }
    let decisions = deployment.decisions_topic();
    assert_eq!(cleanup(&decisions), "delete");
    assert_eq!(deployment.topic_setting(&decisions, "retention.ms"), DECISIONS_KEPT_MILLIS.to_string());

    // A topic that forgets opt-outs after a time is none that a gate may read.
    let suppressions = deployment.topics().suppressions.last().unwrap();
    deployment.alter_topic(suppressions, &[("cleanup.policy", "delete")]);
    let (status, log) = deployment.start_gate("gate").ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains(&format!("topic {suppressions} has cleanup.policy=delete")), "{log}");
}
