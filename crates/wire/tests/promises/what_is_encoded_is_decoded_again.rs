use std::borrow::Cow;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use quell_wire::{DecisionMessage, Decoder, Encoder, Format, WatermarkMessage, schemas};

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

/// Nobody here reads decisions, so another implementation of Avro does.
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
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let fields = json.as_object().unwrap();
        let Value::Record(read) = &value else { panic!() };
        assert_eq!(read.len(), fields.len());
        let plain: serde_json::Value = serde_json::Value::try_from(value.clone()).unwrap();
        assert_eq!(plain, json);
    }
}
