//! Whatever comes in, the stream goes on, and every refused record is a dead letter, byte for byte, with its code and
//! where it came from.

use std::collections::BTreeMap;

use quell_domain::Action;
use quell_wire::{Encoder, Format, dead_letter};

use quell_testbed::deployment::{Deployment, Produced};
use quell_testbed::events::{Random, choice, hurting, link, records, world};
use quell_testbed::outcome::comes_to_the_models_state;
use quell_testbed::{now_millis, wait_for};

#[test]
fn what_is_refused_is_a_dead_letter() {
    let deployment = Deployment::new();
    let topics = deployment.topics().clone();
    let avro = Encoder::new(Format::Avro, None);
    let json = |text: String| Some(text.into_bytes());
    let now = now_millis();
    let good = choice("good", Action::OptOut, "sale", ("cookie_id", "c1")).record(&deployment, &avro).value.unwrap();
    let good_link =
        link("l", true, ("cookie_id", "c1"), ("account_id", "a1")).record(&deployment, &avro).value.unwrap();
    let choice_json = |right: &str, kind: &str, value: &str, effective_at: i64| {
        json(format!(
            r#"{{"event_id":"x","action":"OPT_OUT","rights":["{right}"],"identifiers":[{{"type":"{kind}","value":"{value}"}}],"effective_at":{effective_at},"received_at":{now},"source":"s"}}"#
        ))
    };
    let link_json = |a: &str, b: &str| {
        json(format!(
            r#"{{"event_id":"x","action":"LINK","a":{{"type":"email","value":"{a}"}},"b":{{"type":"email","value":"{b}"}},"observed_at":{now},"source":"s"}}"#
        ))
    };
    let mut wrong_fingerprint = good.clone();
    wrong_fingerprint[5] ^= 0xff;
    let mut bad: Vec<(&str, &str, Option<Vec<u8>>)> = vec![
        (&topics.choices, "malformed", None),
        (&topics.links, "malformed", Some(Vec::new())),
        (&topics.choices, "malformed", Some(b"hello".to_vec())),
        (&topics.choices, "malformed", Some(vec![0xc3])),
        (&topics.choices, "malformed", Some(wrong_fingerprint)),
        (&topics.choices, "malformed", Some([good.as_slice(), &[0]].concat())),
        (&topics.choices, "malformed", Some(vec![0, 0, 0, 0, 9, 1])),
        (&topics.choices, "malformed", Some(b"{\"event_id\":\"\xff\"}".to_vec())),
        (&topics.choices, "malformed", json("{}".to_owned())),
        (&topics.acks, "malformed", Some(good_link.clone())),
        (&topics.choices, "malformed", Some(vec![0x7b; 1_000_000])),
        (&topics.choices, "invalid", choice_json("sale", "cookie_id", "", now)),
        (&topics.choices, "invalid", choice_json("sale", "email", "  ", now)),
        (&topics.choices, "invalid", choice_json("sale", "email_sha256", "abc", now)),
        (&topics.choices, "invalid", choice_json("sale", "cookie_id", &"x".repeat(513), now)),
        (&topics.choices, "invalid", choice_json("sale", "cookie_id", "c", -1)),
        (&topics.choices, "unknown_type", choice_json("sale", "shoe_size", "44", now)),
        (&topics.choices, "unknown_right", choice_json("sail", "cookie_id", "c", now)),
        (&topics.choices, "blocked_value", choice_json("sale", "cookie_id", "undefined", now)),
        (&topics.choices, "future", choice_json("sale", "cookie_id", "c", now + 3_600_000)),
        (&topics.links, "invalid", link_json("Jane@Example.com", "jane @example.com")),
        (
            &topics.acks,
            "unknown_downstream",
            json(format!(
                r#"{{"downstream":"nobody","identifier":{{"type":"cookie_id","value":"c"}},"version":1,"outcome":"APPLIED","applied_at":{now}}}"#
            )),
        ),
        (
            &topics.acks,
            "invalid",
            json(format!(
                r#"{{"downstream":"ads","identifier":{{"type":"cookie_id","value":"c"}},"version":0,"outcome":"APPLIED","applied_at":{now}}}"#
            )),
        ),
    ];
    for end in 0..good.len() {
        bad.push((&topics.choices, "malformed", Some(good[..end].to_vec())));
    }
    let mut random = Random(11);
    for _ in 0..200 {
        let length = random.below(80);
        let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        bad.push((&topics.links, "malformed", Some(bytes)));
    }

    let events = hurting(12, 50, 20);
    let mut produced = records(&deployment, &events);
    for (number, (topic, code, value)) in bad.iter().enumerate() {
        produced.push(Produced {
            topic: (*topic).to_owned(),
            key: Some(format!("bad-{number}-{code}").into_bytes()),
            value: value.clone(),
            headers: vec![("trace".to_owned(), number.to_string().into_bytes())],
            partition: None,
        });
    }
    let engine = deployment.start("one").wait_until_ready();
    deployment.produce(produced);
    wait_for("the dead letters", || {
        let refused = engine.metric("quell_dead_letters_total", &[])?;
        (refused >= bad.len() as f64).then_some(())
    });
    comes_to_the_models_state(&deployment, &[&engine], &world(&deployment.policy, &events));

    let letters = deployment.read(&topics.dead_letters);
    assert_eq!(letters.len(), bad.len());
    let mut by_key: BTreeMap<Vec<u8>, _> =
        letters.into_iter().map(|letter| (letter.key.clone().unwrap(), letter)).collect();
    for (number, (topic, code, value)) in bad.iter().enumerate() {
        let letter = by_key.remove(format!("bad-{number}-{code}").as_bytes()).unwrap();
        assert_eq!(&letter.value, value, "record {number} was not kept byte for byte");
        let cause = dead_letter::cause(&letter.headers).unwrap();
        assert_eq!(cause.code, *code, "record {number}: {}", cause.message);
        assert_eq!(cause.topic, *topic);
        assert_eq!(
            dead_letter::original_headers(&letter.headers),
            vec![("trace".to_owned(), Some(number.to_string().into_bytes()))]
        );
    }
    let counted = |outcome: &str| engine.metric("quell_events_total", &[&format!("outcome=\"{outcome}\"")]).unwrap();
    assert_eq!(counted("refused"), bad.len() as f64);
    assert_eq!(counted("accepted"), events.len() as f64);
}

#[test]
fn a_choice_is_never_lost_for_a_bad_part_of_it() {
    let deployment = Deployment::new();
    let topics = deployment.topics().clone();
    let now = now_millis();
    let partial = format!(
        r#" {{"event_id":"partial","action":"OPT_OUT","rights":["sale","sail"],"identifiers":[{{"type":"cookie_id","value":"null"}},{{"type":"cookie_id","value":"good"}}],"effective_at":"2026-01-02T03:04:05.678999+02:00","received_at":{now},"source":"s","unknown":1}}
"#
    );
    let engine = deployment.start("one").wait_until_ready();
    let value = Some(partial.into_bytes());
    deployment.produce([Produced { topic: topics.choices.clone(), value: value.clone(), ..Produced::default() }]);
    let published = wait_for("the good part to take effect", || {
        let published = quell_testbed::outcome::published(&deployment);
        (published.messages == 2).then_some(published)
    });
    for message in published.last.values() {
        assert_eq!(message.identifier.value, "good");
        assert_eq!(message.rights.keys().collect::<Vec<_>>(), ["sale"]);
        assert_eq!(message.rights["sale"].since, 1_767_315_845_678);
    }
    let letters = deployment.read(&topics.dead_letters);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value, value);
    assert_eq!(engine.metric("quell_events_total", &["outcome=\"partial\""]), Some(1.0));
}
