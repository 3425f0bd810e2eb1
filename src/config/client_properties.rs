//! `[kafka.client]`: properties of librdkafka, as text.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::error::ConfigError;
use super::sources::Sources;

/// The properties by their names. `security.protocol = "SSL"` is a table in TOML, and `"security.protocol" = "SSL"` is
/// not; both are meant to be the same.
///
/// # Errors
/// When a value is none that librdkafka knows.
pub fn properties(client: &Table, sources: &Sources) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut properties = BTreeMap::new();
    gather("", client, sources, &mut properties)?;
    Ok(properties)
}

fn gather(
    path: &str,
    table: &Table,
    sources: &Sources,
    properties: &mut BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = format!("{path}{name}");
        let text = match value {
            Value::Table(below) => {
                gather(&format!("{name}."), below, sources, properties)?;
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(is_so) => is_so.to_string(),
            Value::Array(_) | Value::Datetime(_) => {
                let message = "must be a text, a number, or true or false";
                return Err(sources.error(&format!("kafka.client.{name}"), message));
            }
        };
        // The environment's come with dots in their names, and last.
        if path.is_empty() || !properties.contains_key(&name) {
            properties.insert(name, text);
        }
    }
    Ok(())
}
