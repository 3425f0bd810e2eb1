//! A restart begins with what the copy holds, and knows all that stands in the topic before it answers, whatever became
//! of the copy meanwhile: cut off, altered, gone, or of a topic that was deleted and made anew.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use quell_testbed::deployment::Deployment;
use quell_testbed::gate::GateInstance;
use quell_testbed::wait_for;

const PEOPLE: u32 = 2_000;

fn copy_file(deployment: &Deployment) -> PathBuf {
    let mut files = fs::read_dir(deployment.copy_of("gate")).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|kind| kind == "copy")).unwrap()
}

/// Every one of them is denied, and who has opted in again is not.
fn knows_all(deployment: &Deployment, gate: &GateInstance) {
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "back"), "hiring", true, "clear");
    for number in (0..PEOPLE).step_by(97) {
        let answer = gate.ask(("account_id", &format!("out-{number}")), "hiring").unwrap();
        assert_eq!((answer.decision(), answer.reason()), (Some(false), "suppressed"), "out-{number}");
    }
}

/// The last line of its log about the copy.
fn opened(gate: &GateInstance) -> String {
    gate.log().lines().rfind(|line| line.contains("local copy opened")).unwrap().to_owned()
}

#[test]
fn a_gate_restarts_from_its_copy() {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    deployment.produce((0..PEOPLE).map(|number| deployment.suppression(&format!("out-{number}"), 1, true)));
    deployment.produce([deployment.suppression("back", 1, true), deployment.suppression("back", 2, false)]);
    let gate = deployment.start_gate("gate").wait_until_ready();
    knows_all(&deployment, &gate);
    assert!(opened(&gate).contains("identifiers=0 "), "{}", opened(&gate));
    gate.kill();

    // More came while it was away.
    deployment.produce([deployment.suppression("late", 1, true)]);
    let gate = deployment.start_gate("gate").wait_until_ready();
    assert!(opened(&gate).contains(&format!("identifiers={} ", PEOPLE + 1)), "{}", opened(&gate));
    knows_all(&deployment, &gate);
    assert_eq!(gate.ask(("account_id", "late"), "hiring").unwrap().reason(), "suppressed");
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 0.0);

    // Another one must not write to the same files.
    let (status, log) = deployment.start_gate("gate").ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.lines().last().unwrap().contains("is in use by another process; give each its own"), "{log}");
    assert_eq!(gate.ask(("account_id", "late"), "hiring").unwrap().reason(), "suppressed");
    assert!(gate.stop().success());

    let whole = fs::metadata(copy_file(&deployment)).unwrap().len();
    let file = || OpenOptions::new().read(true).write(true).open(copy_file(&deployment)).unwrap();
    let damages: [(&str, &dyn Fn()); 5] = [
        ("cut off", &|| file().set_len(whole * 2 / 3).unwrap()),
        ("altered", &|| {
            let mut byte = [0];
            file().read_exact_at(&mut byte, whole / 2).unwrap();
            file().write_all_at(&[byte[0] ^ 1], whole / 2).unwrap();
        }),
        ("with something behind it", &|| {
            OpenOptions::new().append(true).open(copy_file(&deployment)).unwrap().write_all(&[7; 1_000]).unwrap();
        }),
        ("empty", &|| file().set_len(0).unwrap()),
        ("gone", &|| fs::remove_dir_all(deployment.copy_of("gate")).unwrap()),
    ];
    for (what, damage) in damages {
        damage();
        let gate = deployment.start_gate("gate").wait_until_ready();
        println!("{what}: {}", opened(&gate));
        knows_all(&deployment, &gate);
        assert!(gate.stop().success(), "{what}");
    }
}

fn a_gate_that_knows_a_topic() -> (Deployment, GateInstance) {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    deployment.produce((0..100).map(|number| deployment.suppression(&format!("old-{number}"), 1, true)));
    let gate = deployment.start_gate("gate").wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "old-1"), "hiring", false, "suppressed");
    (deployment, gate)
}

/// Deletes the gate's topic and makes it anew. `victim` stands at its beginning, where a gate that reads on never looks.
fn make_anew(deployment: &Deployment) {
    deployment.delete_topic(&deployment.gates_topic());
    wait_for("the topic to be gone and made anew", || {
        deployment.quell(&["topics", "create"]).status.success().then_some(())
    });
    deployment.produce([deployment.suppression("victim", 1, true)]);
    deployment.produce((0..500).map(|number| deployment.suppression(&format!("new-{number}"), 1, true)));
}

#[test]
fn a_topic_that_is_made_anew_under_a_gate_is_read_anew() {
    let (deployment, gate) = a_gate_that_knows_a_topic();

    gate.signal("-STOP");
    make_anew(&deployment);
    gate.signal("-CONT");
    wait_for("the opt-out at the new topic's beginning", || {
        deployment.say_all_is_known();
        let answer = gate.ask(("account_id", "victim"), "hiring")?;
        (answer.reason() == "suppressed").then_some(())
    });
    gate.wait_until(("account_id", "old-1"), "hiring", true, "clear");
    assert!(gate.log().contains("the topic was deleted and made anew"), "{}", gate.log());
    assert!(gate.stop().success());
}

#[test]
fn a_topic_that_was_made_anew_is_read_anew() {
    let (deployment, gate) = a_gate_that_knows_a_topic();
    assert!(gate.stop().success());

    make_anew(&deployment);
    let gate = deployment.start_gate("gate").wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "new-1"), "hiring", false, "suppressed");
    gate.wait_until(("account_id", "old-1"), "hiring", true, "clear");
    assert_eq!(gate.count("quell_gate_copies_discarded_total", &[]), 1.0);
    assert!(gate.stop().success());
}
