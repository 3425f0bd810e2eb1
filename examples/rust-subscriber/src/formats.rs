//! Avro's single-object encoding: ten bytes that name the schema, and the record.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context, bail};
use apache_avro::reader::datum::GenericDatumReader;
use jiff::Timestamp;
use serde::Deserialize;

/// The identifier as the record has it; its key is `type:value`.
#[derive(Clone, Deserialize)]
pub struct Identifier {
    pub r#type: String,
    pub value: String,
}

/// What holds for one right.
#[derive(Clone, Deserialize)]
pub struct RightState {
    pub opted_out: bool,
    pub inherited: bool,
    pub due_at: i64,
}

/// The whole current state of one identifier for this downstream; fields that we do not use are left out.
#[derive(Clone, Deserialize)]
pub struct Suppression {
    pub identifier: Identifier,
    pub downstream: String,
    pub version: i64,
    pub rights: BTreeMap<String, RightState>,
}

impl fmt::Display for Suppression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rights.is_empty() {
            return formatter.write_str("nothing chosen");
        }
        for (position, (name, state)) in self.rights.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            if state.opted_out {
                let how = if state.inherited { "inherited" } else { "chosen here" };
                let due_at = Timestamp::from_millisecond(state.due_at).map_err(|_| fmt::Error)?;
                write!(formatter, "{comma}{name}=out ({how}, due {} UTC)", due_at.strftime("%Y-%m-%d %H:%M"))?;
            } else {
                write!(formatter, "{comma}{name}=in")?;
            }
        }
        Ok(())
    }
}

/// A schema, and the ten bytes that begin a record of it.
pub struct Schema {
    pub header: [u8; 10],
    pub parsed: apache_avro::Schema,
}

impl Schema {
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = apache_avro::Schema::parse_str(&text)?;
        let mut header = [0xC3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
        header[2..].copy_from_slice(&fingerprint(&parsed).to_le_bytes());
        Ok(Self { header, parsed })
    }
}

/// CRC-64-AVRO of the schema's canonical form. By hand, since apache-avro 0.22 leaves `{"type":"long"}` in that form
/// where a field has a logical type (AVRO-4004), and then finds another fingerprint than everybody else.
fn fingerprint(schema: &apache_avro::Schema) -> u64 {
    const EMPTY: u64 = 0xC15D_213A_A4D7_A795;
    let mut canonical = schema.canonical_form();
    for primitive in ["null", "boolean", "int", "long", "float", "double", "bytes", "string"] {
        canonical = canonical.replace(&format!(r#"{{"type":"{primitive}"}}"#), &format!(r#""{primitive}""#));
    }
    canonical.bytes().fold(EMPTY, |crc, byte| {
        let mut low = (crc ^ u64::from(byte)) & 0xFF;
        for _ in 0..8 {
            low = (low >> 1) ^ (EMPTY & (low & 1).wrapping_neg());
        }
        (crc >> 8) ^ low
    })
}

/// Decodes suppressions, those of a newer schema too: a field that we do not know is left out.
pub struct SuppressionReader {
    ours: apache_avro::Schema,
    written_with: Vec<Schema>,
}

impl SuppressionReader {
    pub fn new(ours: Schema, others: Vec<Schema>) -> Self {
        let parsed = ours.parsed.clone();
        Self { ours: parsed, written_with: [ours].into_iter().chain(others).collect() }
    }

    pub fn decode(&self, value: &[u8]) -> anyhow::Result<Suppression> {
        let (header, mut record) = value.split_at_checked(10).context("a record is too short")?;
        let Some(writer) = self.written_with.iter().find(|schema| schema.header == header) else {
            // Skipping it might skip an opt-out: stop, and let somebody bring the schema.
            bail!("a record begins with {header:02x?}, a schema that is not here; give it with --writer-schema");
        };
        let reader = GenericDatumReader::builder(&writer.parsed).reader_schema(&self.ours).build()?;
        Ok(apache_avro::from_value(&reader.read_value(&mut record)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's Avro and fastavro compute, too.
    #[test]
    fn the_headers_are_those_of_other_avro_libraries() {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
        let header = |name: &str| Schema::load(&schemas.join(name)).unwrap().header;
        assert_eq!(header("suppression.avsc"), *b"\xC3\x01\x33\x5d\x9f\x2b\xe1\xe1\x87\x53");
        assert_eq!(header("suppression_ack.avsc"), *b"\xC3\x01\x55\xc5\x43\x3b\xfa\x9e\x9d\x6c");
    }
}
