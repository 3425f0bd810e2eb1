//! Records of another schema than ours: read by the writer's, resolved to ours by Avro's rules.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Read};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use quell_domain::{AckOutcome, Action, RawAck, RawChoice, RawIdentifier, RawLink};
use serde_json::{Map, Value as Json};

/// Reads a record and resolves it.
pub(crate) fn resolve(writer: &Schema, reader: &Schema, bytes: &[u8]) -> Result<Record, String> {
    let mut rest = Rest(bytes);
    let datum = GenericDatumReader::builder(writer).reader_schema(reader).build().map_err(|error| error.to_string())?;
    let value = datum.read_value(&mut rest).map_err(|error| error.to_string())?;
    if !rest.0.is_empty() {
        return Err("the record has bytes after its end".to_owned());
    }
    match value {
        Value::Record(fields) => Ok(Record(fields)),
        _ => Err("the writer's schema is not that of a record".to_owned()),
    }
}

/// What has not been read yet. Its end is no end of file: the Avro crate takes one for a null where a string or a union
/// should be, and so a record that was cut short for a whole one.
struct Rest<'a>(&'a [u8]);

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() && !buffer.is_empty() {
            return Err(Error::new(ErrorKind::InvalidData, "the record ends too early"));
        }
        self.0.read(buffer)
    }
}

/// The fields of a resolved record.
pub(crate) struct Record(Vec<(String, Value)>);

impl Record {
    fn take(&mut self, name: &str) -> Result<Value, String> {
        let at = self.0.iter().position(|(known, _)| known == name);
        at.map(|at| self.0.swap_remove(at).1).ok_or_else(|| format!("the record has no field {name}"))
    }

    fn text(&mut self, name: &str) -> Result<Cow<'static, str>, String> {
        match self.take(name)? {
            Value::String(text) => Ok(Cow::Owned(text)),
            _ => Err(format!("{name} is not a string")),
        }
    }

    fn long(&mut self, name: &str) -> Result<i64, String> {
        match self.take(name)? {
            Value::Long(number) | Value::TimestampMillis(number) => Ok(number),
            Value::Int(number) => Ok(i64::from(number)),
            _ => Err(format!("{name} is not a number")),
        }
    }

    fn symbol(&mut self, name: &str) -> Result<String, String> {
        match self.take(name)? {
            Value::Enum(_, symbol) => Ok(symbol),
            _ => Err(format!("{name} is not a symbol")),
        }
    }

    fn array(&mut self, name: &str) -> Result<Vec<Value>, String> {
        match self.take(name)? {
            Value::Array(values) => Ok(values),
            _ => Err(format!("{name} is not an array")),
        }
    }

    fn identifier(&mut self, name: &str) -> Result<RawIdentifier<'static>, String> {
        identifier(self.take(name)?)
    }

    /// As JSON, without the names of unions' branches.
    pub fn fields(self) -> Result<Map<String, Json>, String> {
        match Json::try_from(Value::Record(self.0)) {
            Ok(Json::Object(fields)) => Ok(fields),
            Ok(_) => Err("the record is not an object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// As a `ChoiceEvent`.
    pub fn choice(mut self) -> Result<RawChoice<'static>, String> {
        let right = |value| match value {
            Value::String(text) => Ok(Cow::Owned(text)),
            _ => Err("a right is not a string".to_owned()),
        };
        Ok(RawChoice {
            event_id: self.text("event_id")?,
            action: if self.symbol("action")? == "OPT_OUT" { Action::OptOut } else { Action::OptIn },
            rights: self.array("rights")?.into_iter().map(right).collect::<Result<_, String>>()?,
            identifiers: self.array("identifiers")?.into_iter().map(identifier).collect::<Result<_, _>>()?,
            effective_at: self.long("effective_at")?,
            received_at: self.long("received_at")?,
            source: self.text("source")?,
        })
    }

    /// As a `LinkEvent`.
    pub fn link(mut self) -> Result<RawLink<'static>, String> {
        Ok(RawLink {
            event_id: self.text("event_id")?,
            holds: self.symbol("action")? == "LINK",
            a: self.identifier("a")?,
            b: self.identifier("b")?,
            observed_at: self.long("observed_at")?,
            source: self.text("source")?,
        })
    }

    /// As a `SuppressionAck`.
    pub fn ack(mut self) -> Result<RawAck<'static>, String> {
        let applied = self.symbol("outcome")? == "APPLIED";
        Ok(RawAck {
            downstream: self.text("downstream")?,
            identifier: self.identifier("identifier")?,
            version: self.long("version")?,
            outcome: if applied { AckOutcome::Applied } else { AckOutcome::Failed },
            applied_at: self.long("applied_at")?,
        })
    }
}

fn identifier(value: Value) -> Result<RawIdentifier<'static>, String> {
    match value {
        Value::Record(fields) => {
            let mut record = Record(fields);
            Ok(RawIdentifier { identifier_type: record.text("type")?, value: record.text("value")? })
        }
        _ => Err("an identifier is not a record".to_owned()),
    }
}
