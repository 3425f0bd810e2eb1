//! The environment: every key as a variable, `QUELL_SECTION__KEY`, or `QUELL_GATE_SECTION__KEY` of the gate.

use quell_domain::nearest;
use toml::{Table, Value};

use super::error::ConfigError;
use super::file::FileKind;
use super::sources::Sources;

/// Between the section and the key. A variable without it is somebody else's.
const BETWEEN: &str = "__";
/// Below it, a name is a property of librdkafka.
const CLIENT: &str = "KAFKA__CLIENT__";

/// Sets in `table` what the environment overrides.
///
/// # Errors
/// When a variable means no key, or its value is not of the key's kind.
pub fn apply(
    variables: impl IntoIterator<Item = (String, String)>,
    known: &Table,
    table: &mut Table,
    sources: &mut Sources,
) -> Result<(), ConfigError> {
    let kind = sources.kind;
    for (variable, text) in variables {
        let Some(name) = kind.own(&variable).filter(|_| variable.contains(BETWEEN)) else { continue };
        if let Some(property) = name.strip_prefix(CLIENT).filter(|property| !property.is_empty()) {
            let property = property.to_ascii_lowercase().replace('_', ".");
            sources.overridden(format!("kafka.client.{property}"), variable);
            set(table, &["kafka", "client"], property, Value::String(text));
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let (section_name, key) = lower.split_once(BETWEEN).unwrap_or((&lower, ""));
        let default = known.get(section_name).and_then(|section| section.get(key));
        let value = match default {
            None | Some(Value::Table(_)) => return Err(unknown(&variable, known, kind)),
            Some(Value::Integer(_)) => Value::Integer(text.trim().parse().map_err(|_| ConfigError::Key {
                place: variable.clone(),
                message: format!("\"{text}\" is no whole number"),
            })?),
            Some(_) => Value::String(text),
        };
        sources.overridden(format!("{section_name}.{key}"), variable.clone());
        set(table, &[section_name], key.to_owned(), value);
    }
    Ok(())
}

/// Sets a key of a section. Sections are tables: the file's keys have been checked before.
fn set(table: &mut Table, sections: &[&str], key: String, value: Value) {
    match sections.split_first() {
        None => drop(table.insert(key, value)),
        Some((section, below)) => {
            let section = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            if let Some(section) = section.as_table_mut() {
                set(section, below, key, value);
            }
        }
    }
}

fn unknown(variable: &str, known: &Table, kind: &FileKind) -> ConfigError {
    let prefix = kind.prefix;
    if variable.strip_prefix(prefix).is_some_and(|name| CLIENT.starts_with(name)) {
        let message = format!("a property's name must follow, as in {prefix}{CLIENT}SECURITY_PROTOCOL");
        return ConfigError::Key { place: variable.to_owned(), message };
    }
    let variables: Vec<String> = known
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_table().into_iter().flat_map(move |keys| keys.keys().map(move |key| (section, key)))
        })
        .map(|(section, key)| format!("{prefix}{}{BETWEEN}{}", section.to_uppercase(), key.to_uppercase()))
        .collect();
    let message = match nearest(variable, variables.iter().map(String::as_str)) {
        Some(nearest) => format!("unknown key; did you mean {nearest}?"),
        None => format!("unknown key; unset it, or see `{}`", kind.defaults_by),
    };
    ConfigError::Key { place: variable.to_owned(), message }
}
