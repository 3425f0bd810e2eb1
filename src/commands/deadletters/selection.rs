//! Which dead letters are meant.

use clap::Args;
use clap::builder::PossibleValuesParser;
use quell_domain::{Millis, RefusalCode};
use quell_kafka::{ReadRecord, Settings};
use quell_wire::dead_letter::{Cause, cause};

use super::read_letters;
use crate::failure::Failure;
use crate::moment::Since;

/// The filters of `quell deadletters …`; all that are given must hold.
#[derive(Debug, Args)]
pub struct Filters {
    /// Only those refused for this reason; may be repeated
    #[arg(long = "code", value_name = "CODE", value_delimiter = ',', value_parser = codes())]
    codes: Vec<String>,
    /// Only those that came from this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only those refused at or after this time, or for no longer than this
    #[arg(long, value_name = "TIME|AGE")]
    since: Option<Since>,
    /// Only those refused before this time, or for longer than this
    #[arg(long, value_name = "TIME|AGE")]
    until: Option<Since>,
}

fn codes() -> PossibleValuesParser {
    PossibleValuesParser::new(RefusalCode::ALL.map(RefusalCode::as_str))
}

/// A dead letter without its record: what is needed to list it, and to find it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When it was refused.
    pub refused_at: Millis,
    /// Its partition of the dead letters' topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Why, and where the record came from.
    pub cause: Cause,
}

impl Filters {
    /// The letters that are meant, in the order in which they were refused.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn select(&self, settings: &Settings) -> Result<Vec<Letter>, Failure> {
        let mut letters = Vec::new();
        read_letters(settings, |record| letters.extend(letter(&record).filter(|letter| self.mean(letter))))?;
        letters.sort_by_key(|letter| (letter.refused_at, letter.partition, letter.offset));
        Ok(letters)
    }

    fn mean(&self, letter: &Letter) -> bool {
        (self.codes.is_empty() || self.codes.contains(&letter.cause.code))
            && self.topic.as_ref().is_none_or(|topic| *topic == letter.cause.topic)
            && self.since.is_none_or(|Since(since)| letter.refused_at >= since)
            && self.until.is_none_or(|Since(until)| letter.refused_at < until)
    }
}

/// A record of the dead letters' topic that is one.
fn letter(record: &ReadRecord) -> Option<Letter> {
    let cause = cause(&record.headers)?;
    Some(Letter { refused_at: record.timestamp, partition: record.partition, offset: record.offset, cause })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        filters: Filters,
    }

    fn mean(arguments: &str) -> bool {
        let filters =
            Only::try_parse_from(std::iter::once("only").chain(arguments.split_whitespace())).unwrap().filters;
        filters.mean(&Letter {
            refused_at: Millis(5_000),
            partition: 0,
            offset: 3,
            cause: Cause {
                code: "malformed".to_owned(),
                message: "bytes after its end".to_owned(),
                topic: "optout.events".to_owned(),
                partition: 1,
                offset: 17,
                timestamp: Millis(4_000),
            },
        })
    }

    #[test]
    fn all_filters_that_are_given_must_hold() {
        for meaning in ["", "--code malformed", "--code future,malformed", "--code future --code malformed"] {
            assert!(mean(meaning), "{meaning}");
        }
        for meaning in
            ["--since 5000", "--until 5001", "--topic optout.events --code malformed --since 1970-01-01T00:00:01Z"]
        {
            assert!(mean(meaning), "{meaning}");
        }
        for meaning in ["--code future", "--since 5001", "--until 5000", "--since 1h", "--topic identity.links"] {
            assert!(!mean(meaning), "{meaning}");
        }
    }

    #[test]
    fn what_is_no_dead_letter_is_left_alone() {
        let record = ReadRecord {
            partition: 0,
            offset: 0,
            timestamp: Millis(0),
            key: None,
            value: None,
            headers: vec![("quell.error.code".to_owned(), None)],
        };
        assert_eq!(letter(&record), None);
    }
}
