//! A gate that has just begun answers nothing before it has read all that stood in the topic then: the first answer knows
//! the last record of every partition.

use quell_testbed::deployment::Deployment;
use quell_testbed::wait_for;

const OTHERS: u32 = 60_000;
const LAST: u32 = 30;

#[test]
fn a_gate_answers_only_once_it_has_read_all() {
    let deployment = Deployment::new();
    deployment.make_gate_topics();
    deployment.produce((0..OTHERS).map(|number| deployment.suppression(&format!("other-{number}"), 1, true)));
    // Enough of them that each of the three partitions ends with one.
    deployment.produce((0..LAST).map(|number| deployment.suppression(&format!("last-{number}"), 1, true)));
    deployment.say_all_is_known();

    let gate = deployment.start_gate("gate");
    let last: Vec<String> = (0..LAST).map(|number| format!("last-{number}")).collect();
    let mut refused = 0;
    wait_for("the first answers", || {
        let answers = last.iter().map(|account| gate.ask(("account_id", account), "hiring"));
        let answers: Vec<_> = answers.collect::<Option<_>>()?;
        for answer in &answers {
            match answer.status {
                503 => refused += 1,
                _ => assert_eq!(answer.decision(), Some(false), "{answer:?}"),
            }
        }
        answers.iter().all(|answer| answer.status == 200 && answer.reason() == "suppressed").then_some(())
    });
    assert!(refused > 0, "it was asked too late: nothing was seen of its start");
    assert!(gate.count("quell_gate_refused_total", &["reason=\"not_ready\""]) >= f64::from(refused));
    assert_eq!(gate.get("/health/ready").unwrap().0, 200);
    assert_eq!(gate.count("quell_gate_identifiers", &[]), f64::from(OTHERS + LAST));
    assert!(gate.stop().success());
}
