//! Other versions of our schemas, and records of them.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use quell_wire::schemas::{SINGLE_OBJECT, WireSchema, fingerprint_of};
use quell_wire::{Decoder, Format};
use serde_json::json;

use crate::messages::Message;

/// The schemas of one change each that a reader of ours can still read.
pub fn resolvable(ours: &WireSchema) -> Vec<Schema> {
    let added = json!({ "name": "campaign", "type": ["string", "null"], "default": "none" });
    let optional = |field: &serde_json::Value| field.get("default").is_some();
    vec![
        edited(ours, |fields| fields.insert(1, added)),
        edited(ours, |fields| fields.retain(|field| !optional(field))),
        edited(ours, |fields| fields.rotate_left(1)),
    ]
}

/// Our schema with other fields.
pub fn edited(ours: &WireSchema, edit: impl FnOnce(&mut Vec<serde_json::Value>)) -> Schema {
    let mut schema: serde_json::Value = serde_json::from_str(ours.text).unwrap();
    edit(schema["fields"].as_array_mut().unwrap());
    Schema::parse(&schema).unwrap()
}

/// Our schema with another type of one field.
pub fn retyped(ours: &WireSchema, name: &str, to: serde_json::Value) -> Schema {
    edited(ours, |fields| fields.iter_mut().find(|field| field["name"] == name).unwrap()["type"] = to)
}

/// A decoder that knows these versions, too.
pub fn decoder(versions: impl IntoIterator<Item = Schema>) -> Decoder {
    let mut decoder = Decoder::new(None);
    versions.into_iter().for_each(|version| decoder.add_writer(&version));
    decoder
}

/// A message as a producer with another version of the schema writes it.
pub fn write(schema: &Schema, message: &Message) -> Vec<u8> {
    write_fields(schema, fields(message))
}

/// The same with another value of one field.
pub fn write_with(schema: &Schema, message: &Message, field: &str, value: serde_json::Value) -> Vec<u8> {
    let mut fields = fields(message);
    fields[field] = value;
    write_fields(schema, fields)
}

fn fields(message: &Message) -> serde_json::Value {
    serde_json::from_slice(&message.encode(Format::Json)).unwrap()
}

fn write_fields(schema: &Schema, fields: serde_json::Value) -> Vec<u8> {
    let value = Value::try_from(fields).unwrap().resolve(schema).unwrap();
    let datum = GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap();
    [SINGLE_OBJECT.as_slice(), &fingerprint_of(schema), &datum].concat()
}
