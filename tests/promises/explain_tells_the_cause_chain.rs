//! `quell explain` asks a running instance, and tells how a state came about.

use quell_domain::Action;
use quell_wire::{Encoder, Format};

use quell_testbed::deployment::{Deployment, quell};
use quell_testbed::events::{choice, link};
use quell_testbed::outcome::published;
use quell_testbed::wait_for;

#[test]
fn explain_tells_the_cause_chain() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    let avro = Encoder::new(Format::Avro, None);
    let events = [
        choice("gpc", Action::OptOut, "sale", ("cookie_id", "laptop")),
        link("1", true, ("cookie_id", "laptop"), ("account_id", "jane")),
        link("2", true, ("account_id", "jane"), ("email", "jane@example.com")),
    ];
    deployment.produce(events.iter().map(|event| event.record(&deployment, &avro)));
    wait_for("the suppressions", || (published(&deployment).messages == 4).then_some(()));

    let config = deployment.dir.path().join("one.toml");
    let explained = quell(&config, &["explain", "email=Jane@example.com"]);
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.status.success(), "{}", String::from_utf8_lossy(&explained.stderr));
    for part in ["sale", "gpc", "jane", "laptop", "ads"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    let explained = quell(&config, &["explain", "email=Jane@example.com", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    let chain = json["rights"][0]["cause_chain"].as_array().unwrap();
    let values: Vec<&str> = chain.iter().map(|step| step["identifier"]["value"].as_str().unwrap()).collect();
    assert_eq!(values[1..], ["jane", "laptop"]);
    let unknown = quell(&config, &["explain", "cookie_id=nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    drop(engine);
}
