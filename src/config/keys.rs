//! Keys of the file: known ones, of the right kind.

use quell_domain::nearest;
use toml::{Table, Value};

use super::error::ConfigError;
use super::sources::Sources;

/// The one table whose keys are librdkafka's.
const CLIENT: &str = "kafka.client";

/// Finds keys that are unknown and values of the wrong kind.
///
/// # Errors
/// At the first of them.
pub fn check(table: &Table, known: &Table, sources: &Sources) -> Result<(), ConfigError> {
    check_below("", table, known, known, sources)
}

fn check_below(path: &str, table: &Table, known: &Table, all: &Table, sources: &Sources) -> Result<(), ConfigError> {
    for (key, value) in table {
        let place = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (known.get(key), value) {
            (None, _) => return Err(sources.error(&place, unknown(path, key, known, all, sources))),
            (Some(Value::Table(_)), Value::Table(_)) if place == CLIENT => {}
            (Some(Value::Table(known)), Value::Table(table)) => check_below(&place, table, known, all, sources)?,
            (Some(default), value) if default.same_type(value) => {}
            (Some(default), _) => {
                return Err(sources.error(&place, format!("must be {}, not {}", kind(default), kind(value))));
            }
        }
    }
    Ok(())
}

fn unknown(path: &str, key: &str, known: &Table, all: &Table, sources: &Sources) -> String {
    if path.is_empty() && (sources.kind.known_to_the_other)().contains_key(key) {
        return sources.kind.if_the_other_is_meant.to_owned();
    }
    let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
    if let Some(nearest) = nearest(key, known.keys().map(String::as_str)) {
        return format!("unknown key; did you mean {prefix}{nearest}?");
    }
    // The right key in the wrong section, or in none.
    let section = all.iter().find(|(_, keys)| keys.as_table().is_some_and(|keys| keys.contains_key(key)));
    match section {
        Some((section, _)) => format!("unknown key; did you mean {section}.{key}?"),
        None => format!("unknown key; `{}` shows all", sources.kind.defaults_by),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
