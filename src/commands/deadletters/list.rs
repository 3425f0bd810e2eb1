//! `quell deadletters list`

use std::io::{self, Write};

use clap::Args;
use quell_kafka::Settings;
use serde_json::json;

use super::selection::{Filters, Letter};
use crate::failure::Failure;
use crate::moment::rfc3339;
use crate::values::whole_number;

/// Arguments of `quell deadletters list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    filters: Filters,
    /// At most so many, the last ones
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = whole_number::<usize>)]
    limit: usize,
    /// Print a JSON object a line, for a machine
    #[arg(long)]
    json: bool,
}

/// Prints a line for each dead letter, and on stderr how many there are. Records are not shown: they hold identifiers.
///
/// # Errors
/// When they cannot be read.
pub fn list(settings: &Settings, asked: &ListArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let letters = asked.filters.select(settings)?;
    let shown = letters.get(letters.len().saturating_sub(asked.limit)..).unwrap_or_default();
    for letter in shown {
        if asked.json {
            writeln!(out, "{}", as_json(letter))?;
        } else {
            writeln!(out, "{}", as_text(letter))?;
        }
    }
    out.flush()?;
    let left_out = letters.len() - shown.len();
    let summary = match (letters.len(), left_out) {
        (1, 0) => "1 dead letter".to_owned(),
        (all, 0) => format!("{all} dead letters"),
        (all, _) => format!("the last {} of {all} dead letters; --limit shows more", shown.len()),
    };
    writeln!(io::stderr(), "{summary}")?;
    Ok(())
}

fn as_text(letter: &Letter) -> String {
    let cause = &letter.cause;
    let (refused_at, code, message) = (rfc3339(letter.refused_at), &cause.code, cause.message.replace('\n', " "));
    format!("{refused_at}  {code}  {}[{}]@{}  {message}", cause.topic, cause.partition, cause.offset)
}

fn as_json(letter: &Letter) -> serde_json::Value {
    let cause = &letter.cause;
    json!({
        "refused_at": letter.refused_at.0,
        "partition": letter.partition,
        "offset": letter.offset,
        "code": cause.code,
        "message": cause.message,
        "source": {
            "topic": cause.topic,
            "partition": cause.partition,
            "offset": cause.offset,
            "timestamp": cause.timestamp.0,
        },
    })
}

#[cfg(test)]
mod tests {
    use quell_domain::Millis;
    use quell_wire::dead_letter::Cause;

    use super::*;

    #[test]
    fn a_dead_letter_is_one_line() {
        let letter = Letter {
            refused_at: Millis(1_795_456_800_000),
            partition: 2,
            offset: 3,
            cause: Cause {
                code: "malformed".to_owned(),
                message: "bytes after its end\nand more".to_owned(),
                topic: "optout.events".to_owned(),
                partition: 1,
                offset: 17,
                timestamp: Millis(1_795_456_799_000),
            },
        };
        insta::assert_snapshot!(as_text(&letter), @"2026-11-23T18:00:00.000Z  malformed  optout.events[1]@17  bytes after its end and more");
        insta::assert_snapshot!(as_json(&letter), @r#"{"code":"malformed","message":"bytes after its end\nand more","offset":3,"partition":2,"refused_at":1795456800000,"source":{"offset":17,"partition":1,"timestamp":1795456799000,"topic":"optout.events"}}"#);
    }
}
