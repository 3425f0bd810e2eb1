use std::collections::BTreeMap;

use quell_domain::AckOutcome;
use quell_wire::schemas::{self, LINK_EVENT, SUPPRESSION_ACK};
use quell_wire::{AckMessage, LinkMessage, NamedIdentifier};
use serde_json::json;

use crate::messages::{Message, any_message};
use crate::seeds::check;
use crate::versions::{decoder, edited, resolvable, retyped, write, write_with};

#[test]
fn with_one_more_field_or_one_less_or_in_another_order() {
    let decoder = decoder(schemas::ALL.iter().flat_map(resolvable));
    check(1_000, any_message(), |message| {
        for version in resolvable(&message.schema()) {
            let record = write(&version, &message);
            assert_eq!(message.decode(&decoder, &record).unwrap(), message.raw());
        }
    });
}

fn ack() -> Message {
    Message::Ack(AckMessage {
        downstream: "ads".to_owned(),
        identifier: NamedIdentifier::new("cookie_id", "c1"),
        version: 7,
        outcome: AckOutcome::Failed,
        applied_at: 1_795_464_000_000,
        detail: None,
    })
}

/// Whether an acknowledgement is read as it was meant, although it was written with another type of a field.
fn is_read_with(field: &str, to: serde_json::Value) -> bool {
    let version = retyped(&SUPPRESSION_ACK, field, to);
    let record = write(&version, &ack());
    ack().decode(&decoder([version]), &record).is_ok_and(|read| read == ack().raw())
}

#[test]
fn with_a_type_that_is_promoted() {
    assert!(is_read_with("version", json!("int")));
    assert!(is_read_with("detail", json!("null")));
    assert!(is_read_with("downstream", json!("bytes")));
    assert!(is_read_with("downstream", json!(["null", "string"])));
}

#[test]
fn with_symbols_in_another_order_and_more_of_them() {
    let symbols = json!(["IGNORED", "FAILED", "APPLIED"]);
    assert!(is_read_with("outcome", json!({ "type": "enum", "name": "AckOutcome", "symbols": symbols })));
}

/// Logical types have no part in the resolution: a UUID is written as a string.
#[test]
fn with_a_logical_type_that_is_not_ours() {
    let added = json!({ "name": "batch", "type": { "type": "long", "logicalType": "timestamp-micros" }, "default": 0 });
    let version = edited(&LINK_EVENT, |fields| {
        fields[0]["type"] = json!({ "type": "string", "logicalType": "uuid" });
        fields.push(added);
    });
    let link = Message::Link(LinkMessage {
        event_id: "0191d3a0-8f00-7abc-8def-0123456789ab".to_owned(),
        holds: true,
        a: NamedIdentifier::new("cookie_id", "c1"),
        b: NamedIdentifier::new("account_id", "a1"),
        observed_at: 1_795_464_000_000,
        source: "web".to_owned(),
        attributes: BTreeMap::new(),
    });
    let record = write(&version, &link);
    assert_eq!(link.decode(&decoder([version]), &record).unwrap(), link.raw());
}

#[test]
fn unless_it_says_what_ours_cannot() {
    let symbols = json!(["FAILED", "IGNORED"]);
    let unknown = retyped(&SUPPRESSION_ACK, "outcome", json!({ "type": "enum", "name": "O", "symbols": symbols }));
    let nobody = retyped(&SUPPRESSION_ACK, "downstream", json!(["null", "string"]));
    let missing = edited(&SUPPRESSION_ACK, |fields| fields.retain(|field| field["name"] != "version"));
    for (version, field, value) in
        [(unknown, "outcome", json!("IGNORED")), (nobody, "downstream", json!(null)), (missing, "detail", json!(null))]
    {
        let record = write_with(&version, &ack(), field, value);
        assert!(ack().decode(&decoder([version]), &record).is_err(), "{field}");
    }
}
