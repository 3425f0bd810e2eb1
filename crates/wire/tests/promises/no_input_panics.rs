//! A record is read or refused. None stops the stream, whatever is in it.

use apache_avro::Schema;
use proptest::prelude::*;
use quell_wire::schemas::{self, CONFLUENT, SINGLE_OBJECT};
use quell_wire::{DecodeError, Decoder, Format};
use serde_json::{Value, json};

use crate::messages::{Message, any_long, any_message};
use crate::seeds::check;
use crate::versions::{decoder, resolvable, write};

/// Reads bytes as every kind of record.
fn read_as_everything(decoder: &Decoder, bytes: &[u8]) {
    let faults = [
        decoder.choice(Some(bytes)).err(),
        decoder.link(Some(bytes)).err(),
        decoder.ack(Some(bytes)).err(),
        decoder.suppression(Some(bytes)).err(),
        decoder.watermark(Some(bytes)).err(),
        decoder.review(Some(bytes)).err(),
    ];
    let refused = |fault: &DecodeError| matches!(fault, DecodeError::Malformed(message) if !message.is_empty());
    assert!(faults.iter().flatten().all(refused), "{faults:?}");
}

fn decoder_of_all_versions() -> Decoder {
    decoder(schemas::ALL.iter().flat_map(resolvable))
}

/// What a record of each encoding begins with.
fn any_beginning() -> BoxedStrategy<Vec<u8>> {
    let versions = schemas::ALL.iter().flat_map(resolvable).map(|schema| schemas::fingerprint_of(&schema));
    let fingerprints = schemas::ALL.iter().map(|schema| schema.fingerprint).chain(versions);
    let headers: Vec<Vec<u8>> =
        fingerprints.map(|fingerprint| [SINGLE_OBJECT.as_slice(), &fingerprint].concat()).collect();
    prop_oneof![
        1 => Just(Vec::new()),
        8 => prop::sample::select(headers),
        1 => Just(SINGLE_OBJECT.to_vec()),
        1 => any::<u32>().prop_map(|id| [&[CONFLUENT], id.to_be_bytes().as_slice()].concat()),
        1 => Just(b"{".to_vec()),
    ]
    .boxed()
}

/// Bytes, small numbers as often as any: lengths and counts that fit lead deeper.
fn any_bytes() -> BoxedStrategy<Vec<u8>> {
    prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..120).boxed()
}

#[test]
fn any_bytes_behind_any_beginning() {
    let decoder = decoder_of_all_versions();
    check(50_000, (any_beginning(), any_bytes()), |(beginning, bytes)| {
        read_as_everything(&decoder, &[beginning, bytes].concat());
    });
}

/// What a field of a JSON record may not be.
fn any_value() -> BoxedStrategy<Value> {
    let texts = ["OPT_OUT", "2026-11-23T10:00:00.0009+23:59", "-009999-01-01T00:00:00Z", "9999-12-31T24:00:00Z", ""];
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_long().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ];
    let name = prop::sample::select(vec!["type", "value", "string", "other"]);
    let nested = move |inner: BoxedStrategy<Value>| {
        let fields = prop::collection::vec((name.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    };
    value.prop_recursive(3, 20, 4, nested).boxed()
}

#[test]
fn json_with_anything_in_a_field() {
    let decoder = Decoder::new(None);
    check(20_000, (any_message(), any::<prop::sample::Index>(), any_value()), |(message, which, value)| {
        let mut record: Value = serde_json::from_slice(&message.encode(Format::Json)).unwrap();
        let fields = record.as_object_mut().unwrap();
        let which = which.index(fields.len());
        *fields.values_mut().nth(which).unwrap() = value;
        read_as_everything(&decoder, record.to_string().as_bytes());
    });
}

#[test]
fn what_is_nested_as_deeply_as_it_is_long() {
    let recursive = json!({
        "type": "record", "name": "SuppressionAck", "fields": [{ "name": "next", "type": ["null", "SuppressionAck"] }]
    });
    let recursive = Schema::parse(&recursive).unwrap();
    let header = [SINGLE_OBJECT.as_slice(), &schemas::fingerprint_of(&recursive)].concat();
    let decoder = decoder([recursive]);
    read_as_everything(&decoder, &[header, vec![2; 100_000]].concat());
    read_as_everything(&decoder, r#"{"a":"#.repeat(100_000).as_bytes());
    read_as_everything(&decoder, format!(r#"{{"rights":{}"#, "[".repeat(100_000)).as_bytes());
}

/// Valid records with one byte replaced, and with one replaced by a length of any size.
#[test]
fn a_damaged_record() {
    let decoder = decoder_of_all_versions();
    check(150, (any_message(), any::<u8>(), any_long()), |(message, byte, length)| {
        for whole in encoded(&message) {
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                read_as_everything(&decoder, &damaged);
                damaged.splice(at..=at, varint(length));
                read_as_everything(&decoder, &damaged);
            }
        }
    });
}

#[test]
fn a_record_cut_short_is_refused() {
    let decoder = decoder_of_all_versions();
    check(300, any_message(), |message| {
        for whole in encoded(&message) {
            for length in 0..whole.len() {
                let read = message.decode(&decoder, &whole[..length]);
                assert!(read.is_err(), "{length} of {} bytes are {read:?}", whole.len());
            }
        }
    });
}

#[test]
fn a_record_with_more_behind_it_is_refused() {
    let decoder = decoder_of_all_versions();
    check(1_000, (any_message(), any::<u8>()), |(message, byte)| {
        for mut longer in encoded(&message) {
            longer.push(byte);
            let white_space_behind_json = longer[0] == b'{' && b" \t\r\n".contains(&byte);
            assert_eq!(message.decode(&decoder, &longer).is_ok(), white_space_behind_json);
        }
    });
}

/// A message in every encoding, and in every version.
fn encoded(message: &Message) -> Vec<Vec<u8>> {
    let versions = resolvable(&message.schema());
    let ours = [Format::Avro, Format::Json].map(|format| message.encode(format));
    ours.into_iter().chain(versions.iter().map(|version| write(version, message))).collect()
}

fn varint(number: i64) -> Vec<u8> {
    let mut number = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
    bytes
}
