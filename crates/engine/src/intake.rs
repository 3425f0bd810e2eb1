//! Records in, operations out: decode, judge, route. What is refused becomes a dead letter; nothing is dropped.

use std::sync::Arc;

use quell_domain::{Judged, LinkEvent, Millis, Policy, Refusal, RefusalCode, judge_ack, judge_choice, judge_link};
use quell_graph::{
    Addressed, BatchError, LinkRegister, Operation, Origin, Vocabulary, Wave, authority, read_operations,
};
use quell_wire::{DecodeError, Decoder, dead_letter};

use crate::caution::Verdict;
use crate::log::{Header, InputTopic, Output, OutputTopic, Record};

/// The W3C Trace Context header that is carried from an event to what it causes.
pub const TRACEPARENT: &str = "traceparent";

/// A version of today has 55 bytes.
const TRACEPARENT_BYTES_MAX: usize = 128;

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
    /// The fingerprint of the policy under which another instance wrote it.
    pub policy: Option<u64>,
}

/// A record cannot be taken now: it stays where it is, and so do those behind it.
#[derive(Debug, thiserror::Error)]
pub enum Stalled {
    /// The schema registry cannot be asked. Try all inputs again later.
    #[error("{0}")]
    Registry(String),
    /// Another instance wrote it under a policy, or with a version, that this one does not know. The partition waits
    /// until this instance is started again with the same.
    #[error("{0}")]
    Ahead(String),
}

/// Turns a record into operations. `wave` is the first that waits for it; messages have their own.
///
/// # Errors
/// See [`Stalled`].
pub fn take(
    decoder: &Decoder,
    vocabulary: &Vocabulary,
    topic_name: &str,
    now: Millis,
    record: &Record,
    wave: Wave,
) -> Result<Taken, Stalled> {
    let policy = vocabulary.policy();
    let value = record.value.as_deref();
    let origin = Arc::new(Origin { timestamp: record.timestamp, traceparent: traceparent(&record.headers), wave });
    let decoded = match record.source.topic {
        InputTopic::Graph => {
            return match read_operations(vocabulary, value.unwrap_or_default()) {
                Ok(batch) => {
                    let policy = Some(batch.policy);
                    Ok(Taken { operations: batch.operations, policy, ..Taken::default() })
                }
                Err(BatchError::Corrupt(corrupt)) => Ok(refused(record, topic_name, &malformed(corrupt.to_string()))),
                Err(ahead) => Err(Stalled::Ahead(ahead.to_string())),
            };
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
        Err(stalled) => Err(Stalled::Registry(stalled.to_string())),
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
    Taken { operations, outcome: Some(EventOutcome::Accepted), ..Taken::default() }
}

fn malformed(message: String) -> Refusal {
    Refusal { code: RefusalCode::Malformed, message }
}

fn refused(record: &Record, topic_name: &str, refusal: &Refusal) -> Taken {
    Taken {
        operations: Vec::new(),
        dead_letter: Some((refusal.code, dead_letter_of(record, topic_name, refusal))),
        outcome: Some(EventOutcome::Refused),
        policy: None,
    }
}

/// A record that the engine cannot deal with becomes a dead letter: as it is, or, if even that is too large to be
/// written, without its bytes.
pub fn give_up(topic_name: &str, record: &Record, verdict: Verdict) -> Taken {
    match verdict {
        Verdict::DeadLetter => {
            let message = "the engine failed whenever it took this record; its log says how".to_owned();
            refused(record, topic_name, &Refusal { code: RefusalCode::Internal, message })
        }
        Verdict::Pointer => {
            let message = "too large to be written again: the record is at its source only".to_owned();
            let pointer = Record { value: None, key: None, headers: Vec::new(), ..record.clone() };
            refused(&pointer, topic_name, &Refusal { code: RefusalCode::Internal, message })
        }
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

/// The record's trace context, if it has a valid one: anything else would be carried to whoever reads suppressions.
fn traceparent(headers: &[Header]) -> Option<Box<str>> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT))?;
    std::str::from_utf8(value.as_deref()?).ok().filter(|value| is_traceparent(value)).map(Into::into)
}

/// `version-trace-parent-flags`, in lower-case hex (W3C Trace Context, 3.2). A later version may have more after it.
fn is_traceparent(value: &str) -> bool {
    const LENGTHS: [usize; 4] = [2, 32, 16, 2];
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = value.split('-').collect();
    let fit = parts.iter().zip(LENGTHS).filter(|(part, length)| part.len() == *length && is_hex(part)).count();
    fit == LENGTHS.len()
        && value.len() <= TRACEPARENT_BYTES_MAX
        && (parts.len() == LENGTHS.len() || !value.starts_with("00"))
}
