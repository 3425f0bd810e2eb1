//! The gate takes a changed policy up while it answers, because the file has changed, or on SIGHUP, changed or not. One that
//! it cannot hold to leaves the old one in force, and is said. No question is dropped for it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::gate::GateInstance;
use quell_testbed::wait_for;

const NOBODY: (&str, &str) = ("account_id", "nobody");

fn write(deployment: &Deployment, policy: &str) {
    let policy = policy.replace("PREFIX", &deployment.prefix);
    // As an editor, or a mount, replaces a file: at once.
    let new = deployment.dir.path().join("policy.new");
    std::fs::write(&new, policy).unwrap();
    std::fs::rename(new, deployment.dir.path().join("policy.toml")).unwrap();
}

fn version(gate: &GateInstance) -> String {
    let answer = gate.ask(NOBODY, "hiring").unwrap();
    answer.body["context"]["policy_version"].as_str().unwrap_or_default().to_owned()
}

fn comes_to_version(gate: &GateInstance, expected: &str) {
    wait_for(&format!("policy {expected}"), || (version(gate) == expected).then_some(()));
}

fn taken(gate: &GateInstance) -> f64 {
    gate.count("quell_gate_policies_total", &["outcome=\"taken\""])
}

fn refused(gate: &GateInstance) -> f64 {
    gate.count("quell_gate_policies_total", &["outcome=\"refused\""])
}

#[test]
fn a_policy_is_taken_up_whole_or_not_at_all() {
    let deployment = Deployment::with(POLICY, &[("gate.toml:spool", "deadline = \"20s\"")]);
    deployment.make_gate_topics();
    let gate = deployment.start_gate("gate").wait_until_ready();
    deployment.say_all_is_known();
    gate.wait_until(NOBODY, "hiring", true, "clear");
    let (stop, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let answer = gate.ask(NOBODY, "credit").expect("an answer");
                assert_eq!(answer.status, 200, "{answer:?}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        changes(&deployment, &gate);
        stop.store(true, Ordering::Relaxed);
    });
    println!("{} questions were answered meanwhile", asked.load(Ordering::Relaxed));
    assert!(asked.load(Ordering::Relaxed) > 0 && gate.stop().success());
}

fn changes(deployment: &Deployment, gate: &GateInstance) {
    // A signal alone has the file taken up once more, as it is.
    gate.hang_up();
    wait_for("the policy to be taken up once more", || (taken(gate) > 0.0).then_some(()));
    assert_eq!((taken(gate), refused(gate), version(gate).as_str()), (1.0, 0.0, "test"));

    // The file is noticed by itself.
    let second = POLICY.replace("version = \"test\"", "version = \"second\"");
    write(deployment, &format!("{second}\n[admt_systems.hiring]\nunknown_subject = \"deny\"\n"));
    comes_to_version(gate, "second");
    assert_eq!(gate.ask(NOBODY, "hiring").unwrap().decision(), Some(false));
    assert_eq!((taken(gate), refused(gate)), (2.0, 0.0));

    // Broken ones are not: not TOML, not valid, and one that needs what the gate is not told.
    let broken = [
        "version = ".to_owned(),
        second.replace("second", "third").replace("max_neighbours", "max_neighbors"),
        second
            .replace("second", "third")
            .replace(r#"rights = ["sensitive_pi", "admt", "admt:*"]"#, r#"rights = ["admt"]"#),
        second.replace("second", "third").replace("PREFIX.suppression.ml", "PREFIX.suppression.others"),
    ];
    for policy in &broken {
        let before = refused(gate);
        write(deployment, policy);
        gate.hang_up();
        wait_for("the policy to be refused", || (refused(gate) > before).then_some(()));
        assert_eq!(gate.metric("quell_gate_policy_refused", &[]), Some(1.0));
        assert_eq!(version(gate), "second");
    }
    let says = |log: String| log.contains("restart it to read another") && log.contains("the old one holds");
    wait_for("the last reason", || says(gate.log()).then_some(()));
    assert_eq!(taken(gate), 2.0);

    write(deployment, &second.replace("second", "third"));
    gate.hang_up();
    comes_to_version(gate, "third");
    assert_eq!(gate.metric("quell_gate_policy_refused", &[]), Some(0.0));
    assert_eq!(gate.ask(NOBODY, "hiring").unwrap().decision(), Some(true));
}
