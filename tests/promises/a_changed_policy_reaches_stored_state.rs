//! A new downstream is told everything, a new system is covered by what was chosen about all of them, hub limits and joins
//! hold for what is stored; and what is in use cannot be removed. Not tested here: instances that disagree.

use quell_domain::Action;
use quell_testbed::deployment::{Deployment, POLICY};
use quell_testbed::events::{choice, hurting, records, world};
use quell_testbed::outcome::{comes_to_the_models_state, published};
use quell_testbed::wait_for;

/// One more downstream and system, another join, other limits, and a downstream that takes more.
fn changed() -> String {
    let more = r#"
[downstreams.search]
topic = "PREFIX.suppression.search"
rights = ["sale", "admt", "admt:*"]
identifier_types = ["cookie_id", "account_id"]
"#;
    let policy = POLICY
        .replace(r#"systems = ["hiring", "credit"]"#, r#"systems = ["hiring", "credit", "housing"]"#)
        .replace("join = \"latest_wins\"", "")
        .replace("account_id = 3, email_sha256 = 3", "account_id = 2, email_sha256 = 4")
        .replace(r#"rights = ["sale", "sharing"]"#, r#"rights = ["sale", "sharing", "sensitive_pi"]"#);
    format!("{policy}{more}")
}

#[test]
fn a_changed_policy_reaches_stored_state() {
    let mut deployment = Deployment::with(POLICY, &[("engine", "review_rate = 300")]);
    let mut events = hurting(31, 300, 40);
    deployment.produce(records(&deployment, &events));
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.stop().success());

    deployment.change_policy(&changed());
    let engine = deployment.start("one").wait_until_ready();
    wait_for("the policy to be taken up in part", || {
        let left = engine.metric("quell_policy_unreviewed_identifiers", &[])?;
        (left > 0.0).then_some(())
    });
    engine.kill();

    // Live events go on beside it.
    let more = hurting(32, 50, 40);
    deployment.produce(records(&deployment, &more));
    events.extend(more);
    let engine = deployment.start("one").wait_until_ready();
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));
    assert!(engine.log().contains("the changed policy is taken up"), "{}", engine.log());
    assert!(engine.stop().success());
}

#[test]
fn what_is_in_use_cannot_be_removed_from_the_policy() {
    let mut deployment = Deployment::new();
    deployment.produce([choice("one", Action::OptOut, "admt:credit", ("cookie_id", "c1"))
        .record(&deployment, &quell_wire::Encoder::new(quell_wire::Format::Avro, None))]);
    let engine = deployment.start("one").wait_until_ready();
    wait_for("the choice to take effect", || (published(&deployment).messages == 1).then_some(()));
    assert!(engine.stop().success());

    deployment.change_policy(&POLICY.replace(r#"systems = ["hiring", "credit"]"#, r#"systems = ["hiring"]"#));
    let (status, log) = deployment.start("one").ended();
    assert_eq!(status.code(), Some(1));
    let says = "the policy does not declare what is in use: rights.admt:credit (1 identifiers";
    assert!(log.contains(says), "{log}");

    deployment.change_policy(POLICY);
    assert!(deployment.start("one").wait_until_ready().stop().success());
}
