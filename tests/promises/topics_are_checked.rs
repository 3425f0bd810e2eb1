//! `quell topics create` makes what is missing and can be repeated; `quell run` says what is wrong and which command
//! mends it.

use quell_testbed::deployment::Deployment;

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
