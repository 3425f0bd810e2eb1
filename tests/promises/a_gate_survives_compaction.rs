//! The topic is compacted while a gate reads it, and while it is away: the records that its copy knows it by are gone,
//! then. It knows all that stands there all the same.

use quell_testbed::deployment::Deployment;
use quell_testbed::gate::GateInstance;
use quell_testbed::wait_for;

const PEOPLE: u32 = 60;
const VERSIONS: u64 = 20;

/// All opt out and in again and again; with the last version those of odd numbers are out.
fn publish(deployment: &Deployment, versions: std::ops::RangeInclusive<u64>) {
    for version in versions {
        deployment.produce((0..PEOPLE).map(|number| {
            let is_out = (u64::from(number) + version) % 2 == (VERSIONS + 1) % 2;
            deployment.suppression(&format!("p-{number}"), version, is_out)
        }));
    }
}

/// Until most of what was published is gone. What is new closes a segment, and only closed ones are compacted.
fn wait_until_compacted(deployment: &Deployment, published: u64) {
    let mut filler = 0;
    wait_for("the topic to be compacted", || {
        filler += 1;
        deployment.produce((0..6).map(|number| deployment.suppression(&format!("filler-{number}"), filler, false)));
        let records = deployment.read(&deployment.gates_topic());
        let of_people =
            records.iter().filter(|record| record.key.as_ref().is_some_and(|key| key.starts_with(b"account_id:p-")));
        (of_people.count() as u64 * 2 < published).then_some(())
    });
}

fn knows_all(deployment: &Deployment, gate: &GateInstance) {
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "p-1"), "hiring", false, "suppressed");
    for number in 0..PEOPLE {
        let (account, is_out) = (format!("p-{number}"), number % 2 == 1);
        let answer = gate.ask(("account_id", &account), "hiring").unwrap();
        assert_eq!(answer.decision(), Some(!is_out), "{account}: {answer:?}");
    }
}

#[test]
fn a_gate_survives_compaction() {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "200"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("min.compaction.lag.ms", "0"),
        ("delete.retention.ms", "0"),
    ];
    deployment.alter_topic(&deployment.gates_topic(), &settings);
    publish(&deployment, 1..=VERSIONS / 2);
    let gate = deployment.start_gate("gate").wait_until_ready();
    wait_until_compacted(&deployment, u64::from(PEOPLE) * VERSIONS / 2);
    deployment.say_all_is_known();
    gate.wait_until(("account_id", "p-1"), "hiring", false, "suppressed");
    gate.kill();

    publish(&deployment, VERSIONS / 2 + 1..=VERSIONS);
    wait_until_compacted(&deployment, u64::from(PEOPLE) * VERSIONS / 2);
    let gate = deployment.start_gate("gate").wait_until_ready();
    knows_all(&deployment, &gate);
    println!("copies discarded: {}", gate.count("quell_gate_copies_discarded_total", &[]));
    assert!(gate.stop().success());
}
