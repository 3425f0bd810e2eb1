//! The story: a cookie's opt-out reaches the account, the e-mail and the other device that are linked to it later; a
//! relaxation waits; the trace goes with it.

use quell_domain::Action;
use quell_wire::{Encoder, Format, SuppressionMessage};

use quell_testbed::deployment::Deployment;
use quell_testbed::events::{Event, choice, link};
use quell_testbed::instance::Instance;
use quell_testbed::outcome::published;
use quell_testbed::wait_for;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Story {
    deployment: Deployment,
    engine: Instance,
}

impl Story {
    fn tell(&self, event: &Event) {
        let mut record = event.record(&self.deployment, &Encoder::new(Format::Avro, None));
        record.headers.push(("traceparent".to_owned(), TRACE.as_bytes().to_vec()));
        self.deployment.produce([record]);
    }

    /// Waits until a downstream was told something of an identifier.
    fn told(&self, downstream: &str, value: &str, what: impl Fn(&SuppressionMessage) -> bool) -> SuppressionMessage {
        wait_for(&format!("{downstream} to be told of {value}"), || {
            let published = published(&self.deployment);
            let mut messages = published.last.into_values();
            messages
                .find(|message| message.downstream == downstream && message.identifier.value == value && what(message))
        })
    }
}

#[test]
fn an_opt_out_follows_the_identity_graph() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    let story = Story { deployment, engine };
    let laptop = ("cookie_id", "6f1c1e0a-93a5-4d0e-8a53-0a3f4f1c9d11");
    let phone = ("cookie_id", "phone");
    let jane = ("account_id", "jane");
    let email = ("email", " Jane@Example.COM ");
    let hashed = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d";

    story.tell(&choice("gpc", Action::OptOut, "sale", laptop));
    let first = story.told("ads", laptop.1, |message| message.suppressed);
    assert!(!first.rights["sale"].inherited);
    assert_eq!(first.rights["sale"].choice_id, "gpc");

    story.tell(&link("log-in", true, jane, laptop));
    let account = story.told("analytics", jane.1, |message| message.suppressed);
    assert!(account.rights["sale"].inherited);
    story.tell(&link("profile", true, email, jane));
    story.told("ads", hashed, |message| message.suppressed);
    story.tell(&link("other device", true, phone, email));
    story.told("ads", phone.1, |message| message.suppressed && message.rights["sale"].choice_id == "gpc");

    // The unlink relaxes what came that way only after it has held; the rest stays as it is.
    story.tell(&link("sold the phone", false, phone, email));
    let relaxed = story.told("ads", phone.1, |message| !message.suppressed);
    assert!(relaxed.rights.is_empty());
    assert!(story.told("ads", hashed, |_| true).suppressed);
    assert_eq!(story.engine.metric("quell_relaxations_total", &["cause=\"unlink\""]), Some(1.0));

    // The opt-in lifts it for everybody who had it from there.
    story.tell(&choice("back in", Action::OptIn, "sale", laptop));
    for value in [laptop.1, hashed] {
        let message = story.told("ads", value, |message| !message.suppressed);
        assert!(!message.rights["sale"].opted_out);
        assert_eq!(message.rights["sale"].choice_id, "back in");
    }

    let ads = story.deployment.read(&story.deployment.topics().suppressions[0]);
    let trace = Some(TRACE.as_bytes().to_vec());
    assert!(ads.iter().all(|record| record.headers.contains(&("traceparent".to_owned(), trace.clone()))));
    assert!(story.engine.stop().success());
}
