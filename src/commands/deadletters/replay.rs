//! `quell deadletters replay`

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use quell_domain::Millis;
use quell_kafka::{Message, PublishError, Publisher, ReadRecord, Settings};
use quell_wire::dead_letter::{Cause, cause, original_headers};

use super::read_letters;
use super::selection::{Filters, Letter};
use crate::failure::Failure;
use crate::values::whole_number;

/// A transaction of the replay, at most: what a broker takes in a moment, and memory holds with ease.
const BATCH_RECORDS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Arguments of `quell deadletters replay`.
#[derive(Debug, Args)]
pub struct ReplayArguments {
    #[command(flatten)]
    filters: Filters,
    /// At most so many, the first ones
    #[arg(long, value_name = "NUMBER", value_parser = whole_number::<usize>)]
    limit: Option<usize>,
    /// Only say what would be put back
    #[arg(long)]
    dry_run: bool,
}

/// Puts back what is meant. Reads the topic twice, so that only the places of what is meant are held in memory.
///
/// # Errors
/// When that does not work; what was put back before stays.
pub fn replay(settings: &Settings, asked: &ReplayArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let selected = asked.filters.select(settings)?;
    let (mut chosen, elsewhere): (Vec<Letter>, Vec<Letter>) =
        selected.into_iter().partition(|letter| is_replayable(settings, &letter.cause));
    chosen.truncate(asked.limit.unwrap_or(usize::MAX));
    if !asked.dry_run && !chosen.is_empty() {
        put_back(settings, &chosen)?;
    }
    let verb = if asked.dry_run { "would put back" } else { "put back" };
    writeln!(out, "{verb} {}", by_topic(&chosen))?;
    if !elsewhere.is_empty() {
        writeln!(out, "left {}: no input of this configuration", by_topic(&elsewhere))?;
    }
    Ok(())
}

/// Records of the inputs are. A message between shards belongs into one partition of its own, and is not to be made up.
fn is_replayable(settings: &Settings, cause: &Cause) -> bool {
    [&settings.topics.choices, &settings.topics.links, &settings.topics.acks].contains(&&cause.topic)
}

fn put_back(settings: &Settings, chosen: &[Letter]) -> Result<(), Failure> {
    let places: BTreeSet<(u32, i64)> = chosen.iter().map(|letter| (letter.partition, letter.offset)).collect();
    let mut batch = Batch::new(Publisher::new(settings, "replay").context("cannot put them back")?);
    let mut published = Ok(());
    read_letters(settings, |record| {
        if published.is_ok() && places.contains(&(record.partition, record.offset)) {
            published = original(record).map_or(Ok(()), |message| batch.add(message));
        }
    })?;
    published.and_then(|()| batch.publish()).context("cannot put all of them back; repeat it")?;
    Ok(())
}

/// The record as it was before it was refused.
fn original(letter: ReadRecord) -> Option<Message> {
    let cause = cause(&letter.headers)?;
    Some(Message {
        topic: cause.topic,
        key: letter.key,
        value: letter.value,
        headers: original_headers(&letter.headers),
        timestamp: Some(cause.timestamp).filter(|at| *at > Millis(0)),
    })
}

/// Messages that go in one transaction.
struct Batch {
    publisher: Publisher,
    messages: Vec<Message>,
    bytes: usize,
}

impl Batch {
    fn new(publisher: Publisher) -> Self {
        Self { publisher, messages: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, message: Message) -> Result<(), PublishError> {
        self.bytes += message.value.as_ref().map_or(0, Vec::len);
        self.messages.push(message);
        if self.messages.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX {
            self.publish()?;
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), PublishError> {
        if !self.messages.is_empty() {
            self.publisher.publish(&self.messages)?;
        }
        self.messages.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// `3 records (identity.links 1, optout.events 2)`
fn by_topic(letters: &[Letter]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in letters {
        *counts.entry(&letter.cause.topic).or_default() += 1;
    }
    let topics: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic} {count}")).collect();
    match letters.len() {
        0 => "nothing".to_owned(),
        1 => format!("1 record ({})", topics.join(", ")),
        many => format!("{many} records ({})", topics.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> (String, Option<Vec<u8>>) {
        (name.to_owned(), Some(value.as_bytes().to_vec()))
    }

    #[test]
    fn a_record_is_put_back_as_it_was() {
        let theirs =
            vec![header("traceparent", "00-1-2-01"), ("empty".to_owned(), None), header("quell.note", "theirs")];
        let mut headers = theirs.clone();
        headers.extend([
            header("quell.error.code", "malformed"),
            header("quell.error.message", "not UTF-8"),
            header("quell.source.topic", "optout.events"),
            header("quell.source.partition", "1"),
            header("quell.source.offset", "17"),
            header("quell.source.timestamp", "4000"),
        ]);
        let (key, value) = (Some(vec![0xFF]), Some(vec![0, 1, 2]));
        let letter = ReadRecord {
            partition: 0,
            offset: 9,
            timestamp: Millis(5_000),
            key: key.clone(),
            value: value.clone(),
            headers,
        };
        let timestamp = Some(Millis(4_000));
        let topic = "optout.events".to_owned();
        assert_eq!(original(letter), Some(Message { topic, key, value, headers: theirs, timestamp }));
    }
}
