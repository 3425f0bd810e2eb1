//! What went in: the accepted events, and the records that had to be refused.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail};
use quell_domain::{Millis, Policy, judge_choice, judge_link};
use quell_model::World;
use quell_wire::{DecodeError, Decoder, dead_letter};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::reading::read;
use crate::clock;
use crate::topics::Topics;
use crate::watcher::headers;

/// A malformed record's code.
const MALFORMED: &str = "malformed";

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// The input topics, judged.
pub struct Inputs {
    decoder: Decoder,
    /// How many records there were.
    pub records: u64,
    /// The accepted events.
    pub world: World,
    /// The others.
    pub refusals: Refusals,
}

impl Inputs {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { decoder: Decoder::new(None), records: 0, world: World::default(), refusals: Refusals::default() }
    }

    /// Reads the input topics and the dead letters.
    ///
    /// # Errors
    /// When a topic cannot be read.
    pub fn read(bootstrap: &str, topics: &Topics, policy: &Policy) -> anyhow::Result<Self> {
        let mut inputs = Self::new();
        let now = clock::now();
        read(bootstrap, &topics.choices, |record| inputs.choice(policy, now, place(record), record.payload()))?;
        read(bootstrap, &topics.links, |record| inputs.link(policy, now, place(record), record.payload()))?;
        read(bootstrap, &topics.dead_letters, |record| {
            let cause = dead_letter::cause(&headers(record)).context("a dead letter lacks its headers")?;
            // Acknowledgements are refused, too; they are no part of the final state.
            if [&topics.choices, &topics.links].contains(&&cause.topic) {
                let partition =
                    i32::try_from(cause.partition).context("a dead letter names an impossible partition")?;
                inputs.refusals.dead_letter(Place { topic: cause.topic, partition, offset: cause.offset }, &cause.code);
            }
            Ok(())
        })?;
        Ok(inputs)
    }

    /// Judges one record of the choices.
    ///
    /// # Errors
    /// When it cannot even be told whether it is good.
    pub fn choice(&mut self, policy: &Policy, now: Millis, place: Place, value: Option<&[u8]>) -> anyhow::Result<()> {
        self.records += 1;
        match self.decoder.choice(value) {
            Ok(raw) => {
                let judged = judge_choice(policy, now, &raw);
                self.world.choices.extend(judged.accepted);
                let codes: Vec<_> = judged.refusals.iter().map(|refusal| refusal.code.as_str()).collect();
                self.refusals.refused(place, codes);
            }
            Err(error) => self.refusals.refused(place, vec![malformed(error)?]),
        }
        Ok(())
    }

    /// Judges one record of the links.
    ///
    /// # Errors
    /// When it cannot even be told whether it is good.
    pub fn link(&mut self, policy: &Policy, now: Millis, place: Place, value: Option<&[u8]>) -> anyhow::Result<()> {
        self.records += 1;
        match self.decoder.link(value).map(|raw| judge_link(policy, now, &raw)) {
            Ok(Ok(link)) => self.world.links.push(link),
            Ok(Err(refusal)) => self.refusals.refused(place, vec![refusal.code.as_str()]),
            Err(error) => self.refusals.refused(place, vec![malformed(error)?]),
        }
        Ok(())
    }
}

fn malformed(error: DecodeError) -> anyhow::Result<&'static str> {
    match error {
        DecodeError::Malformed(_) => Ok(MALFORMED),
        DecodeError::RegistryUnavailable(message) => bail!("a record needs a schema registry: {message}"),
    }
}

fn place(record: &BorrowedMessage<'_>) -> Place {
    Place { topic: record.topic().to_owned(), partition: record.partition(), offset: record.offset() }
}

/// Records that had to be refused, and the dead letters that there are.
#[derive(Debug, Default)]
pub struct Refusals {
    /// By place: the codes of which a dead letter may have any.
    due: HashMap<Place, Vec<&'static str>>,
    /// By place: the codes that it was refused with; more than one if it was refused twice.
    found: HashMap<Place, Vec<String>>,
}

impl Refusals {
    /// A record had to be refused, with any of these codes; with none, it was good.
    fn refused(&mut self, place: Place, codes: Vec<&'static str>) {
        if !codes.is_empty() {
            self.due.insert(place, codes);
        }
    }

    /// There is a dead letter of a record.
    pub fn dead_letter(&mut self, place: Place, code: &str) {
        self.found.entry(place).or_default().push(code.to_owned());
    }

    /// How many dead letters there are, by code.
    #[must_use]
    pub fn by_code(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for code in self.found.values().flatten() {
            *counts.entry(code.clone()).or_default() += 1;
        }
        counts
    }

    /// What is wrong with them, a line each: every refused record must be one dead letter, and no other.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let missing = self.due.keys().filter(|place| !self.found.contains_key(place));
        let mut faults: Vec<String> = missing.map(|place| format!("{place:?} had to be a dead letter")).collect();
        for (place, codes) in &self.found {
            let due = self.due.get(place).map_or(&[][..], Vec::as_slice);
            if !matches!(codes.as_slice(), [code] if due.contains(&code.as_str())) {
                faults.push(format!("{place:?} was refused as {codes:?}, and had to be as one of {due:?}"));
            }
        }
        faults
    }
}
