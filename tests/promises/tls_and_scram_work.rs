//! Kafka by TLS and SASL/SCRAM, with nothing but `[kafka.client]`; and the password is nowhere but in the environment.

use std::process::Output;

use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{hurting, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::secured::secured;
use quell_testbed::wait_for;

const PASSWORD: &str = "QUELL_KAFKA__CLIENT__SASL_PASSWORD";
const GATE_PASSWORD: &str = "QUELL_GATE_KAFKA__CLIENT__SASL_PASSWORD";
const AUTHORITY: &str = "QUELL_KAFKA__CLIENT__SSL_CA_LOCATION";

#[test]
fn tls_and_scram_work() {
    let password = &secured().password;
    let deployment = Deployment::on(secured().kafka(), POLICY, &[]);
    let engine = deployment.start_with("one", &[("QUELL_LOG__LEVEL", "trace")]).wait_until_ready();
    let events = hurting(11, 40, 40);
    deployment.produce(records(&deployment, &events));
    let world = world(&deployment.policy, &events);
    assert!(comes_to_the_models_state(&deployment, &[&engine], &world) > 0);

    let commands: [&[&str]; 5] = [
        &["emit", "opt-out", "cookie_id=c-scram", "--right", "sale"],
        &["deadletters", "list"],
        &["config", "show"],
        &["run", "--help"],
        &["policy", "check"],
    ];
    for command in commands {
        let done = deployment.quell(command);
        assert!(done.status.success(), "{command:?}: {}", text(&done));
        assert!(!text(&done).contains(password), "{command:?} shows the password");
    }
    assert!(text(&deployment.quell(&["config", "show"])).contains("********"));
    assert!(!engine.arguments().unwrap_or_default().contains(password));
    let log = engine.log();
    assert!(log.contains("sasl.username"), "librdkafka was asked to say its configuration: {log}");
    assert!(!log.contains(password), "the log shows the password");
    assert!(engine.stop().success());
}

#[test]
fn the_gate_speaks_tls_and_scram_as_well() {
    let password = &secured().password;
    let deployment = Deployment::on(secured().kafka(), POLICY, &[]);
    deployment.make_gate_topics();
    deployment.produce([deployment.suppression("out", 1, true)]);
    deployment.say_all_is_known();
    let gate = deployment.start_gate_with("gate", &[("QUELL_GATE_LOG__LEVEL", "trace")]).wait_until_ready();
    let id = gate.wait_until(("account_id", "out"), "hiring", false, "suppressed").decision_id().to_owned();
    wait_for("the decision to be in kafka", || deployment.recorded_decisions().contains(&id).then_some(()));
    assert!(!gate.arguments().unwrap_or_default().contains(password));
    assert!(!gate.log().contains(password), "the log shows the password");
    assert!(gate.stop().success());
    let shown = text(&deployment.quell_gate(&["config", "show", "--gate"]));
    assert!(shown.contains("********") && !shown.contains(password), "{shown}");

    let (status, log) = deployment.start_gate_with("wrong", &[(GATE_PASSWORD, "sesame-wrong")]).ended();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("quell: kafka refuses the credentials; look at sasl.* in [kafka.client]"), "{log}");
}

#[test]
fn a_wrong_password_ends_it_with_one_line() {
    let deployment = Deployment::on(secured().kafka(), POLICY, &[]);
    let (status, log) = deployment.start_with("one", &[(PASSWORD, "sesame-wrong")]).ended();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("quell: kafka refuses the credentials; look at sasl.* in [kafka.client]"), "{log}");
    assert!(!log.contains("sesame-wrong"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("ERROR")).count(), 1, "{log}");

    let acknowledge = ["emit", "ack", "ads", "cookie_id=c-scram", "--version", "1"];
    for command in [&["topics", "create"][..], &acknowledge, &["deadletters", "list"]] {
        let done = deployment.quell_with(command, &[(PASSWORD, "sesame-wrong")]);
        assert_eq!(done.status.code(), Some(1), "{command:?}: {}", text(&done));
        assert_eq!(text(&done).lines().count(), 1, "{command:?}: {}", text(&done));
        assert!(text(&done).contains("refuses the credentials"), "{command:?}: {}", text(&done));
    }
}

#[test]
fn a_broker_that_cannot_prove_who_it_is_is_not_spoken_to() {
    let deployment = Deployment::on(secured().kafka(), POLICY, &[]);
    let stranger = secured().stranger();
    let (status, log) = deployment.start_with("one", &[(AUTHORITY, stranger.to_str().unwrap())]).ended();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("quell: there is no TLS connection with kafka; look at ssl.*"), "{log}");
    assert!(last.contains("certificate verify failed"), "{log}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
