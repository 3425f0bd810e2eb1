//! Decoding: the encoding is told by the first bytes, record by record.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use apache_avro::Schema;
use quell_domain::{RawAck, RawChoice, RawLink};
use serde_json::{Map, Value};

use crate::message::{ReviewMessage, SuppressionMessage, WatermarkMessage};
use crate::registry::{Registry, RegistryError, WriterSchema};
use crate::resolution::{Record, resolve};
use crate::schemas::{self, CONFLUENT, SINGLE_OBJECT, WireSchema};
use crate::{avro, json};

/// The largest thing that the Avro crate may allocate for one record of another schema.
const ALLOCATION_BYTES_MAX: usize = 16 << 20;

/// Why a record was not decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It never will be: refuse it.
    #[error("{0}")]
    Malformed(String),
    /// Its schema has to be asked for, and the registry does not answer: try the same record again later.
    #[error("{0}")]
    RegistryUnavailable(String),
}

impl From<RegistryError> for DecodeError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NoSchema(_) => Self::Malformed(error.to_string()),
            RegistryError::Unavailable(_) => Self::RegistryUnavailable(error.to_string()),
        }
    }
}

fn malformed(message: impl Into<String>) -> DecodeError {
    DecodeError::Malformed(message.into())
}

/// Decodes records in any of the three encodings, of our schemas or of ones that resolve to them.
#[derive(Debug)]
pub struct Decoder {
    registry: Option<Registry>,
    writers: HashMap<[u8; 8], Arc<WriterSchema>>,
}

/// Our schemas by their names, for records of others.
static READERS: LazyLock<HashMap<&'static str, Schema>> = LazyLock::new(|| {
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    schemas::ALL.iter().filter_map(|ours| Some((ours.name, Schema::parse_str(ours.text).ok()?))).collect()
});

fn reader_of(ours: &WireSchema) -> Result<&'static Schema, DecodeError> {
    READERS.get(ours.name).ok_or_else(|| malformed("no schema to read it by"))
}

/// What the first bytes say.
enum Encoded<'a> {
    /// Our own schema's bytes.
    Ours(&'a [u8]),
    /// Those of another.
    Theirs(Arc<WriterSchema>, &'a [u8]),
    Json(&'a [u8]),
}

impl Decoder {
    /// A decoder. Without a registry, records in the Confluent wire format are malformed.
    #[must_use]
    pub fn new(registry: Option<Registry>) -> Self {
        Self { registry, writers: HashMap::new() }
    }

    /// Takes records in single-object encoding of one more writer's schema; not of one that contains itself.
    pub fn add_writer(&mut self, schema: &Schema) {
        if let Some(writer) = WriterSchema::new(schema) {
            self.writers.insert(writer.fingerprint, Arc::new(writer));
        }
    }

    /// A `ChoiceEvent`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn choice<'a>(&self, value: Option<&'a [u8]>) -> Result<RawChoice<'a>, DecodeError> {
        self.decode(value, &schemas::CHOICE_EVENT, avro::choice, |record| record.choice(), json::choice)
    }

    /// A `LinkEvent`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn link<'a>(&self, value: Option<&'a [u8]>) -> Result<RawLink<'a>, DecodeError> {
        self.decode(value, &schemas::LINK_EVENT, avro::link, |record| record.link(), json::link)
    }

    /// A `SuppressionAck`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn ack<'a>(&self, value: Option<&'a [u8]>) -> Result<RawAck<'a>, DecodeError> {
        self.decode(value, &schemas::SUPPRESSION_ACK, avro::ack, |record| record.ack(), json::ack)
    }

    /// A `Suppression` of our own schema, or in JSON.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn suppression(&self, value: Option<&[u8]>) -> Result<SuppressionMessage, DecodeError> {
        let theirs = |_: Record| Err("the record is of another version of the schema".to_owned());
        self.decode(value, &schemas::SUPPRESSION, avro::suppression, theirs, json::suppression)
    }

    /// A `Watermark` of our own schema, or in JSON.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn watermark(&self, value: Option<&[u8]>) -> Result<WatermarkMessage, DecodeError> {
        let theirs = |_: Record| Err("the record is of another version of the schema".to_owned());
        self.decode(value, &schemas::WATERMARK, avro::watermark, theirs, json::watermark)
    }

    /// A `Review` of our own schema, or in JSON.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn review(&self, value: Option<&[u8]>) -> Result<ReviewMessage, DecodeError> {
        let theirs = |_: Record| Err("the record is of another version of the schema".to_owned());
        self.decode(value, &schemas::REVIEW, avro::review, theirs, json::review)
    }

    /// A `Decision`, by the names of its fields, as its JSON form has them.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decision(&self, value: Option<&[u8]>) -> Result<Map<String, Value>, DecodeError> {
        let value = value.ok_or_else(|| malformed("the record has no value"))?;
        let ours = &schemas::DECISION;
        let reader = reader_of(ours)?;
        let record = match self.recognise(value, ours)? {
            Encoded::Ours(bytes) => resolve(reader, reader, bytes),
            Encoded::Theirs(writer, bytes) => resolve(&writer.schema, reader, bytes),
            Encoded::Json(bytes) => return json::decision(bytes).map_err(malformed),
        };
        record.and_then(Record::fields).map_err(malformed)
    }

    fn decode<'a, T>(
        &self,
        value: Option<&'a [u8]>,
        ours: &WireSchema,
        from_avro: impl Fn(&'a [u8]) -> Result<T, &'static str>,
        from_record: impl Fn(Record) -> Result<T, String>,
        from_json: impl Fn(&'a [u8]) -> Result<T, String>,
    ) -> Result<T, DecodeError> {
        let value = value.ok_or_else(|| malformed("the record has no value"))?;
        match self.recognise(value, ours)? {
            Encoded::Ours(bytes) => from_avro(bytes).map_err(|fault| malformed(format!("the record {fault}"))),
            Encoded::Json(bytes) => from_json(bytes).map_err(malformed),
            Encoded::Theirs(writer, bytes) => {
                let reader = reader_of(ours)?;
                resolve(&writer.schema, reader, bytes).and_then(from_record).map_err(malformed)
            }
        }
    }

    fn recognise<'a>(&self, value: &'a [u8], ours: &WireSchema) -> Result<Encoded<'a>, DecodeError> {
        if let Some(rest) = value.strip_prefix(&SINGLE_OBJECT) {
            let (fingerprint, body) =
                rest.split_first_chunk::<8>().ok_or_else(|| malformed("the record ends in its header"))?;
            if *fingerprint == ours.fingerprint {
                return Ok(Encoded::Ours(body));
            }
            let writer = self.writers.get(fingerprint);
            let writer = writer.ok_or_else(|| malformed("the record's schema is not known, by its fingerprint"))?;
            return Ok(Encoded::Theirs(Arc::clone(writer), body));
        }
        if let Some(rest) = value.strip_prefix(&[CONFLUENT]) {
            let (id, body) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("the record ends in its header"))?;
            let registry =
                self.registry.as_ref().ok_or_else(|| malformed("no schema registry is configured to look it up"))?;
            let writer = registry.schema(u32::from_be_bytes(*id))?;
            if writer.fingerprint == ours.fingerprint {
                return Ok(Encoded::Ours(body));
            }
            return Ok(Encoded::Theirs(writer, body));
        }
        if value.trim_ascii_start().first() == Some(&b'{') {
            return Ok(Encoded::Json(value));
        }
        Err(malformed("the record's first bytes are of no known encoding"))
    }
}
