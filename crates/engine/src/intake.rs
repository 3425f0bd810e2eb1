//! Records in, operations out: decode, judge, route. What is refused becomes a dead letter; nothing is dropped.

use std::sync::Arc;

use quell_domain::{Judged, LinkEvent, Millis, Policy, Refusal, RefusalCode, judge_ack, judge_choice, judge_link};
use quell_graph::{Addressed, LinkRegister, Operation, Origin, Vocabulary, authority, read_operations};
use quell_wire::{DecodeError, Decoder, dead_letter};

use crate::log::{Header, InputTopic, Output, OutputTopic, Record};

/// The W3C Trace Context header that is carried from an event to what it causes.
pub const TRACEPARENT: &str = "traceparent";

/// What became of a record, as `quell_events_total` counts it. A shard's verdict on an acknowledgement comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventOutcome {
    /// All of it takes effect.
    Accepted,
    /// A choice of which some parts were refused.
    Partial,
    /// None of it takes effect.
    Refused,
    /// An acknowledgement of a version that was never published.
    Stale,
}

impl EventOutcome {
    /// The label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Stale => "stale",
        }
    }
}

/// What one record came to.
#[derive(Debug, Default)]
pub struct Taken {
    /// What it asks of nodes.
    pub operations: Vec<Addressed>,
    /// Its dead letter, if any of it was refused, and the code under which it is counted.
    pub dead_letter: Option<(RefusalCode, Output)>,
    /// What became of it; none for a graph message, and for an acknowledgement that a shard has yet to judge.
    pub outcome: Option<EventOutcome>,
}

/// The schema registry cannot be asked now: the record stays where it is, and so do those behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stalled(pub String);

/// Turns a record into operations.
///
/// # Errors
/// When its schema has to be asked for and the registry does not answer: try the same record again later.
pub fn take(
    decoder: &Decoder,
    vocabulary: &Vocabulary,
    topic_name: &str,
    now: Millis,
    record: &Record,
) -> Result<Taken, Stalled> {
    let policy = vocabulary.policy();
    let value = record.value.as_deref();
    let origin = Arc::new(Origin { timestamp: record.timestamp, traceparent: traceparent(&record.headers) });
    let decoded = match record.source.topic {
        InputTopic::Graph => {
            let operations = read_operations(vocabulary, value.unwrap_or_default());
            return Ok(match operations {
                Ok(operations) => Taken { operations, ..Taken::default() },
                Err(corrupt) => refused(record, topic_name, &malformed(corrupt.to_string())),
            });
        }
        InputTopic::Choices => decoder.choice(value).map(|raw| choice(policy, now, &raw, &origin)),
        InputTopic::Links => decoder.link(value).map(|raw| {
            judge_link(policy, now, &raw).map(|link| accepted(vec![link_operation(link, &origin)])).into_judged()
        }),
        InputTopic::Acks => decoder.ack(value).map(|raw| {
            let judged = judge_ack(policy, now, &raw).map(|acknowledgement| {
                let to = acknowledgement.identifier.clone();
                let operation = Operation::Acknowledge(acknowledgement);
                let operations = vec![Addressed { to, operation, origin: Arc::clone(&origin) }];
                Taken { operations, ..Taken::default() }
            });
            judged.into_judged()
        }),
    };
    match decoded {
        Ok(judged) => Ok(judged.with_dead_letter(record, topic_name)),
        Err(DecodeError::Malformed(message)) => Ok(refused(record, topic_name, &malformed(message))),
        Err(stalled) => Err(Stalled(stalled.to_string())),
    }
}

fn choice(policy: &Policy, now: Millis, raw: &quell_domain::RawChoice<'_>, origin: &Arc<Origin>) -> Judged<Taken> {
    let Judged { accepted: event, refusals } = judge_choice(policy, now, raw);
    let accepted = event.map(|event| {
        let choose = |to| Addressed {
            to,
            operation: Operation::Choose { choice: Arc::clone(&event.choice), rights: event.rights },
            origin: Arc::clone(origin),
        };
        accepted(event.identifiers.into_iter().map(choose).collect())
    });
    Judged { accepted, refusals }
}

fn link_operation(link: LinkEvent, origin: &Arc<Origin>) -> Addressed {
    let register = LinkRegister { observed_at: link.observed_at, holds: link.holds };
    let (to, other) = authority(link.a, link.b);
    Addressed { to, operation: Operation::Link { other, register }, origin: Arc::clone(origin) }
}

fn accepted(operations: Vec<Addressed>) -> Taken {
    Taken { operations, dead_letter: None, outcome: Some(EventOutcome::Accepted) }
}

fn malformed(message: String) -> Refusal {
    Refusal { code: RefusalCode::Malformed, message }
}

fn refused(record: &Record, topic_name: &str, refusal: &Refusal) -> Taken {
    Taken {
        operations: Vec::new(),
        dead_letter: Some((refusal.code, dead_letter_of(record, topic_name, refusal))),
        outcome: Some(EventOutcome::Refused),
    }
}

trait IntoJudged<T> {
    fn into_judged(self) -> Judged<T>;
}

impl<T> IntoJudged<T> for Result<T, Refusal> {
    fn into_judged(self) -> Judged<T> {
        match self {
            Ok(accepted) => Judged { accepted: Some(accepted), refusals: Vec::new() },
            Err(refusal) => Judged { accepted: None, refusals: vec![refusal] },
        }
    }
}

trait WithDeadLetter {
    fn with_dead_letter(self, record: &Record, topic_name: &str) -> Taken;
}

impl WithDeadLetter for Judged<Taken> {
    /// What is good takes effect; if anything was refused, the record is a dead letter as well.
    fn with_dead_letter(self, record: &Record, topic_name: &str) -> Taken {
        match (self.accepted, self.refusals.first()) {
            (Some(taken), None) => taken,
            (Some(taken), Some(refusal)) => {
                let letter = dead_letter_of(record, topic_name, refusal);
                let outcome = Some(EventOutcome::Partial);
                Taken { dead_letter: Some((refusal.code, letter)), outcome, ..taken }
            }
            (None, Some(refusal)) => refused(record, topic_name, refusal),
            (None, None) => refused(record, topic_name, &malformed("nothing in it".to_owned())),
        }
    }
}

fn dead_letter_of(record: &Record, topic_name: &str, refusal: &Refusal) -> Output {
    let source = dead_letter::Source {
        topic: topic_name,
        partition: record.source.partition,
        offset: record.offset.0,
        timestamp: record.timestamp,
    };
    Output {
        topic: OutputTopic::DeadLetters,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: dead_letter::headers(&record.headers, refusal, &source),
    }
}

fn traceparent(headers: &[Header]) -> Option<Box<str>> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT))?;
    std::str::from_utf8(value.as_deref()?).ok().map(Into::into)
}
