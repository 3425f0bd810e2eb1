//! The schemas: the only definition of the wire format, embedded from `schemas/`.

use apache_avro::Schema;
use serde_json::Value;

/// A schema, and how records that carry it begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireSchema {
    /// The full name of its record.
    pub name: &'static str,
    /// The `.avsc` file.
    pub text: &'static str,
    /// What follows `C3 01` in single-object encoding: its CRC-64-AVRO fingerprint, little-endian.
    pub fingerprint: [u8; 8],
}

/// `quell.v1.ChoiceEvent`
pub const CHOICE_EVENT: WireSchema = WireSchema {
    name: "quell.v1.ChoiceEvent",
    text: include_str!("../../../schemas/choice_event.avsc"),
    fingerprint: [0x4e, 0xc5, 0xad, 0x7f, 0x3c, 0x5c, 0x7b, 0x32],
};
/// `quell.v1.LinkEvent`
pub const LINK_EVENT: WireSchema = WireSchema {
    name: "quell.v1.LinkEvent",
    text: include_str!("../../../schemas/link_event.avsc"),
    fingerprint: [0xa2, 0x29, 0x00, 0xa3, 0x13, 0xb8, 0xb0, 0xc2],
};
/// `quell.v1.Suppression`
pub const SUPPRESSION: WireSchema = WireSchema {
    name: "quell.v1.Suppression",
    text: include_str!("../../../schemas/suppression.avsc"),
    fingerprint: [0x33, 0x5d, 0x9f, 0x2b, 0xe1, 0xe1, 0x87, 0x53],
};
/// `quell.v1.SuppressionAck`
pub const SUPPRESSION_ACK: WireSchema = WireSchema {
    name: "quell.v1.SuppressionAck",
    text: include_str!("../../../schemas/suppression_ack.avsc"),
    fingerprint: [0x55, 0xc5, 0x43, 0x3b, 0xfa, 0x9e, 0x9d, 0x6c],
};
/// `quell.v1.Watermark`
pub const WATERMARK: WireSchema = WireSchema {
    name: "quell.v1.Watermark",
    text: include_str!("../../../schemas/watermark.avsc"),
    fingerprint: [0x42, 0x19, 0x4d, 0x4a, 0x9e, 0x34, 0xf6, 0x10],
};
/// `quell.v1.Decision`
pub const DECISION: WireSchema = WireSchema {
    name: "quell.v1.Decision",
    text: include_str!("../../../schemas/decision.avsc"),
    fingerprint: [0x7e, 0x7e, 0x8f, 0x7a, 0x2f, 0xf2, 0xe4, 0xc5],
};
/// `quell.v1.Review`
pub const REVIEW: WireSchema = WireSchema {
    name: "quell.v1.Review",
    text: include_str!("../../../schemas/review.avsc"),
    fingerprint: [0x7c, 0x27, 0x9f, 0x5e, 0x82, 0xfa, 0xc8, 0xf3],
};

/// All of them.
pub const ALL: [WireSchema; 7] = [CHOICE_EVENT, LINK_EVENT, SUPPRESSION, SUPPRESSION_ACK, WATERMARK, DECISION, REVIEW];

/// The first bytes of a record in single-object encoding.
pub const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
/// The first byte of a record in the Confluent wire format; the schema's id follows in four, big-endian.
pub const CONFLUENT: u8 = 0;

/// The CRC-64-AVRO fingerprint of a schema's Parsing Canonical Form, as it stands in records.
#[must_use]
pub fn fingerprint_of(schema: &Schema) -> [u8; 8] {
    rabin(canonical_form(schema).as_bytes()).to_le_bytes()
}

/// The Parsing Canonical Form of a schema: what says how its records' bytes are read, and nothing else.
///
/// That of the Avro crate keeps `{"type":"long"}` where a logical type was, which the specification strips (AVRO-4004),
/// and panics where a property of a schema's own has one of Avro's names.
pub(crate) fn canonical_form(schema: &Schema) -> String {
    canonical(&serde_json::to_value(schema).unwrap_or_default())
}

fn canonical(schema: &Value) -> String {
    let part = |name: &str| schema.get(name).map_or_else(String::new, canonical);
    match schema {
        Value::Array(parts) => format!("[{}]", parts.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(_) => match schema.get("type").and_then(Value::as_str) {
            Some("record") => {
                let fields = schema.get("fields").and_then(Value::as_array).into_iter().flatten();
                let fields: Vec<String> = fields.map(canonical_field).collect();
                format!(r#"{{"name":"{}","type":"record","fields":[{}]}}"#, full_name(schema), fields.join(","))
            }
            Some("enum") => {
                format!(r#"{{"name":"{}","type":"enum","symbols":{}}}"#, full_name(schema), part("symbols"))
            }
            Some("fixed") => format!(r#"{{"name":"{}","type":"fixed","size":{}}}"#, full_name(schema), part("size")),
            Some("array") => format!(r#"{{"type":"array","items":{}}}"#, part("items")),
            Some("map") => format!(r#"{{"type":"map","values":{}}}"#, part("values")),
            _ => part("type"),
        },
        other => other.to_string(),
    }
}

fn canonical_field(field: &Value) -> String {
    let part = |name: &str| field.get(name).map_or_else(String::new, canonical);
    format!(r#"{{"name":{},"type":{}}}"#, part("name"), part("type"))
}

fn full_name(schema: &Value) -> String {
    let part = |name: &str| schema.get(name).and_then(Value::as_str);
    let name = part("name").unwrap_or_default();
    part("namespace").map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"))
}

/// The fingerprint of no bytes, and the polynomial (Avro specification, "Schema Fingerprints").
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

fn rabin(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |fingerprint, byte| {
        let mut remainder = (fingerprint ^ u64::from(*byte)) & 0xff;
        for _ in 0..8 {
            remainder = (remainder >> 1) ^ (EMPTY & (remainder & 1).wrapping_neg());
        }
        (fingerprint >> 8) ^ remainder
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_avro_specification() {
        assert_eq!(rabin(b"\"int\""), 0x7275_d51a_3f39_5c8f);
        for schema in ALL {
            assert_eq!(fingerprint_of(&Schema::parse_str(schema.text).unwrap()), schema.fingerprint, "{}", schema.name);
        }
    }

    #[test]
    fn a_canonical_form_keeps_what_says_how_bytes_are_read() {
        let text = r#"{"type": "record", "name": "A", "namespace": "n", "doc": "d", "values": [1], "fields": [
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}, "size": "large"},
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["X", "Y"], "default": "X"}, "items": true},
            {"name": "parts", "type": {"type": "array", "items": {"type": "map", "values": ["null", "n.K"]}}},
            {"name": "hash", "type": {"type": "fixed", "name": "m.H", "size": 16, "aliases": ["G"]}}
        ]}"#;
        let canonical = canonical_form(&Schema::parse_str(text).unwrap());
        insta::assert_snapshot!(canonical, @r#"{"name":"n.A","type":"record","fields":[{"name":"id","type":"string"},{"name":"kind","type":{"name":"n.K","type":"enum","symbols":["X","Y"]}},{"name":"parts","type":{"type":"array","items":{"type":"map","values":["null","n.K"]}}},{"name":"hash","type":{"name":"m.H","type":"fixed","size":16}}]}"#);
        assert_eq!(canonical_form(&Schema::parse_str(&canonical).unwrap()), canonical);
    }
}
