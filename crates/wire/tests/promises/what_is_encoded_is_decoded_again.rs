use std::borrow::Cow;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use quell_wire::{
    DecisionMessage, Decoder, Encoder, Format, NamedIdentifier, ResolutionMessage, ReviewMessage, WatermarkMessage,
    schemas,
};

use crate::messages::any_message;
use crate::seeds::check;

#[test]
fn in_avro_and_in_json() {
    let decoder = Decoder::new(None);
    check(5_000, any_message(), |message| {
        for format in [Format::Avro, Format::Json] {
            let encoded = message.encode(format);
            assert_eq!(message.decode(&decoder, &encoded).unwrap(), message.raw(), "{format:?}");
        }
    });
}

#[test]
fn a_watermark_in_avro_and_in_json() {
    let decoder = Decoder::new(None);
    let message = WatermarkMessage {
        shard: 3,
        shards: 8,
        complete_through: 1_790_000_000_000,
        observed_at: -1,
        wave: 7,
        inputs_through: 1_790_000_000_500,
        messages_from: i64::MAX,
        watched_from: 2,
        complete_wave: 5,
    };
    for format in [Format::Avro, Format::Json] {
        let encoded = Encoder::new(format, None).watermark("quell.watermarks", &message).unwrap();
        assert_eq!(decoder.watermark(Some(&encoded)).unwrap(), message, "{format:?}");
    }
    assert!(decoder.watermark(Some(b"{\"shard\": 4294967296, \"shards\": 1}")).is_err());
}

/// Whoever else reads decisions does so by another implementation of Avro.
#[test]
fn a_decision_is_what_its_schema_says() {
    let full = DecisionMessage {
        decision_id: "0190-1",
        decided_at: 1_790_000_000_000,
        decision: false,
        reason: "suppressed",
        subject: Some(("account_id", Cow::Borrowed("a-1"))),
        action: "infer",
        system: "hiring",
        right: Some("admt:hiring"),
        choice_id: Some("c-1"),
        since: Some(1_780_000_000_000),
        inherited: Some(true),
        as_of: Some(1_789_999_999_000),
        staleness_ms: Some(1_000),
        obligation: Some("human_review"),
        significant_decision: Some("housing"),
        policy_version: "p-1",
        policy_sha256: "00",
        model_name: Some("ranker"),
        model_version: Some("7"),
        input_sha256: Some("ff"),
        request_id: Some("r-1"),
        asked_by: "authzen",
        software_version: "0.1.0",
    };
    let bare = DecisionMessage {
        subject: None,
        right: None,
        choice_id: None,
        since: None,
        inherited: None,
        as_of: None,
        staleness_ms: None,
        obligation: None,
        significant_decision: None,
        model_name: None,
        model_version: None,
        input_sha256: None,
        request_id: None,
        ..full.clone()
    };
    let schema = Schema::parse_str(schemas::DECISION.text).unwrap();
    for message in [full, bare] {
        let avro = Encoder::new(Format::Avro, None).decision("quell.decisions", &message).unwrap();
        let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut &avro[10..]).unwrap();
        let json = Encoder::new(Format::Json, None).decision("quell.decisions", &message).unwrap();
        same(value, &json);
        for encoded in [&avro, &json] {
            assert_eq!(Decoder::new(None).decision(Some(encoded)).unwrap(), message.fields());
        }
        assert!(Decoder::new(None).decision(Some(&avro[..avro.len() - 1])).is_err());
    }
}

/// What another implementation of Avro has read is what our JSON says.
fn same(avro: Value, json: &[u8]) {
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    let Value::Record(read) = &avro else { panic!() };
    assert_eq!(read.len(), json.as_object().unwrap().len());
    assert_eq!(serde_json::Value::try_from(avro).unwrap(), json);
}

#[test]
fn a_review_in_avro_and_in_json_is_what_its_schema_says() {
    let resolution = ResolutionMessage {
        at: 1_790_000_900_000,
        by: "j.doe".to_owned(),
        outcome: "granted".to_owned(),
        changed_proposal: Some(true),
        note: Some("the gap was parental leave".to_owned()),
    };
    let full = ReviewMessage {
        review_id: "0190-1".to_owned(),
        created_at: 1_790_000_000_000,
        subject: NamedIdentifier::new("account_id", "a-1"),
        action: "infer".to_owned(),
        system: "hiring".to_owned(),
        reason: "suppressed".to_owned(),
        right: Some("admt:hiring".to_owned()),
        choice_id: Some("c-1".to_owned()),
        since: Some(1_780_000_000_000),
        inherited: Some(false),
        significant_decision: Some("housing".to_owned()),
        policy_version: "p-1".to_owned(),
        policy_sha256: "00".to_owned(),
        model_name: Some("ranker".to_owned()),
        model_version: Some("7".to_owned()),
        input_sha256: Some("ff".to_owned()),
        request_id: Some("r-1".to_owned()),
        material: Some("{ \"proposal\": \"refuse\" }".to_owned()),
        resolution: Some(resolution.clone()),
    };
    let bare_resolution = ResolutionMessage { changed_proposal: None, note: None, ..resolution };
    let bare = ReviewMessage {
        right: None,
        choice_id: None,
        since: None,
        inherited: None,
        significant_decision: None,
        model_name: None,
        model_version: None,
        input_sha256: None,
        request_id: None,
        material: None,
        resolution: Some(bare_resolution),
        ..full.clone()
    };
    let pending = ReviewMessage { resolution: None, ..full.clone() };
    let schema = Schema::parse_str(schemas::REVIEW.text).unwrap();
    let decoder = Decoder::new(None);
    for message in [full, bare, pending] {
        let [avro, json] =
            [Format::Avro, Format::Json].map(|format| Encoder::new(format, None).review("r", &message).unwrap());
        assert_eq!(decoder.review(Some(&avro)).unwrap(), message);
        assert_eq!(decoder.review(Some(&json)).unwrap(), message);
        same(GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut &avro[10..]).unwrap(), &json);
        for cut in 10..avro.len() {
            assert!(decoder.review(Some(&avro[..cut])).is_err(), "cut at {cut}");
        }
    }
}
