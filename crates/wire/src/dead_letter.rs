//! Dead letters: the original record, and why it was refused, in headers.

use quell_domain::{Millis, Refusal};

/// A record header: name, and value if it has one.
pub type Header = (String, Option<Vec<u8>>);

/// What every header of ours begins with.
const PREFIX: &str = "quell.";
/// Why: the code.
pub const CODE: &str = "quell.error.code";
/// Why: in words.
pub const MESSAGE: &str = "quell.error.message";
/// Where the record came from.
pub const TOPIC: &str = "quell.source.topic";
/// Its partition there, in decimal.
pub const PARTITION: &str = "quell.source.partition";
/// Its offset there, in decimal.
pub const OFFSET: &str = "quell.source.offset";
/// Its Kafka timestamp, in milliseconds, in decimal.
pub const TIMESTAMP: &str = "quell.source.timestamp";

/// Where a refused record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// The record's Kafka timestamp.
    pub timestamp: Millis,
}

/// The headers of a dead letter: the original's, and ours. Those of an earlier refusal are replaced.
#[must_use]
pub fn headers(original: &[Header], refusal: &Refusal, source: &Source<'_>) -> Vec<Header> {
    let mut headers = original_headers(original);
    let ours = [
        (CODE, refusal.code.as_str().to_owned()),
        (MESSAGE, refusal.message.clone()),
        (TOPIC, source.topic.to_owned()),
        (PARTITION, source.partition.to_string()),
        (OFFSET, source.offset.to_string()),
        (TIMESTAMP, source.timestamp.to_string()),
    ];
    headers.extend(ours.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))));
    headers
}

/// The headers that the record had before it was refused: what a replay gives it again.
#[must_use]
pub fn original_headers(headers: &[Header]) -> Vec<Header> {
    let ours = [CODE, MESSAGE, TOPIC, PARTITION, OFFSET, TIMESTAMP];
    headers.iter().filter(|(name, _)| !(name.starts_with(PREFIX) && ours.contains(&name.as_str()))).cloned().collect()
}

/// What a dead letter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The code, as it stands there.
    pub code: String,
    /// In words.
    pub message: String,
    /// The topic that the record came from.
    pub topic: String,
    /// Its partition there.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub timestamp: Millis,
}

/// Why, and from where: none if the headers are not those of a dead letter.
#[must_use]
pub fn cause(headers: &[Header]) -> Option<Cause> {
    let text = |name: &str| {
        let (_, value) = headers.iter().rev().find(|(known, _)| known == name)?;
        String::from_utf8(value.clone()?).ok()
    };
    Some(Cause {
        code: text(CODE)?,
        message: text(MESSAGE)?,
        topic: text(TOPIC)?,
        partition: text(PARTITION)?.parse().ok()?,
        offset: text(OFFSET)?.parse().ok()?,
        timestamp: Millis(text(TIMESTAMP)?.parse().ok()?),
    })
}
