//! Operations as bytes: how they travel through the graph topic, many in a record.

use std::sync::Arc;

use quell_domain::{AckOutcome, Acknowledgement};

use super::bytes::{Corrupt, Reader, Writer};
use super::choice::{read_choice, read_contribution, write_choice, write_contribution};
use super::vocabulary::Vocabulary;
use crate::basis::{FORMAT, NewerFormat};
use crate::edge::LinkRegister;
use crate::generation::{Generation, RetractionCause};
use crate::message::{Addressed, Message, Operation, Origin};
use crate::wave::Wave;

/// What a record of the graph topic carries.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The fingerprint of the policy of whoever wrote it.
    pub policy: u64,
    /// The operations; none, if it is there to tell of the policy.
    pub operations: Vec<Addressed>,
}

/// Why a record of the graph topic was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes are none that [`write_operations`] wrote.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A later version wrote it. It has to wait until this instance is of that version, too.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// It is about a right or a downstream that the policy of this instance does not declare. It has to wait until it
    /// does: who wrote it runs another policy.
    #[error("another instance runs a policy that declares `{0}`, and this one does not")]
    Undeclared(String),
}

const CHOOSE: u8 = 1;
const LINK: u8 = 2;
const HEAR: u8 = 3;
const ACKNOWLEDGE: u8 = 4;

const HOLDS: u8 = 1;
const FROM_HUB: u8 = 1 << 1;
const ASKS: u8 = 1 << 2;

/// One record of the graph topic.
#[must_use]
pub fn write_operations(vocabulary: &Vocabulary, operations: &[Addressed]) -> Vec<u8> {
    let mut writer = Writer(vec![FORMAT]);
    writer.fixed(vocabulary.policy().fingerprint());
    writer.count(operations.len());
    let mut last: Option<&Arc<Origin>> = None;
    for addressed in operations {
        let same_origin = last.is_some_and(|last| Arc::ptr_eq(last, &addressed.origin) || **last == *addressed.origin);
        writer.byte(u8::from(same_origin));
        if !same_origin {
            write_origin(&mut writer, &addressed.origin);
            writer.number(addressed.origin.wave.0);
        }
        last = Some(&addressed.origin);
        writer.identifier(&addressed.to);
        write_operation(&mut writer, vocabulary, &addressed.operation);
    }
    writer.0
}

/// The operations of a record of the graph topic.
///
/// # Errors
/// See [`BatchError`].
pub fn read_operations(vocabulary: &Vocabulary, bytes: &[u8]) -> Result<Batch, BatchError> {
    let mut reader = Reader::new(bytes);
    let format = reader.byte()?;
    if format > FORMAT {
        return Err(NewerFormat(format).into());
    }
    let policy = reader.fixed()?;
    let count = reader.count()?;
    let mut operations = Vec::with_capacity(count);
    let mut origin = Arc::new(Origin::default());
    for _ in 0..count {
        if reader.byte()? == 0 {
            let of_record = read_origin(&mut reader)?;
            origin = Arc::new(Origin { wave: Wave(reader.number()?), ..of_record });
        }
        let to = reader.identifier()?;
        // None: about a downstream that the policy does not declare.
        let operation = read_operation(&mut reader, vocabulary)?;
        operations.extend(operation.map(|operation| Addressed { to, operation, origin: Arc::clone(&origin) }));
    }
    reader.end()?;
    match reader.undeclared {
        Some(name) => Err(BatchError::Undeclared(name.to_owned())),
        None => Ok(Batch { policy, operations }),
    }
}

fn write_operation(writer: &mut Writer, vocabulary: &Vocabulary, operation: &Operation) {
    match operation {
        Operation::Choose { choice, rights } => {
            writer.byte(CHOOSE);
            write_choice(writer, choice, None);
            vocabulary.write_rights(writer, *rights);
        }
        Operation::Link { other, register } => {
            writer.byte(LINK);
            writer.identifier(other);
            writer.byte(u8::from(register.holds));
            writer.millis(register.observed_at);
        }
        Operation::Hear(message) => {
            writer.byte(HEAR);
            write_message(writer, vocabulary, message);
        }
        Operation::Acknowledge(acknowledgement) => {
            writer.byte(ACKNOWLEDGE);
            vocabulary.write_downstream(writer, acknowledgement.downstream);
            writer.identifier(&acknowledgement.identifier);
            writer.number(acknowledgement.version);
            writer.byte(u8::from(acknowledgement.outcome == AckOutcome::Applied));
            writer.millis(acknowledgement.applied_at);
        }
    }
}

fn read_operation(reader: &mut Reader<'_>, vocabulary: &Vocabulary) -> Result<Option<Operation>, Corrupt> {
    Ok(match reader.byte()? {
        CHOOSE => {
            let choice = read_choice(reader, None)?;
            // Whoever wrote it may not have known every system of ours.
            let rights = vocabulary.policy().with_systems(vocabulary.read_rights(reader)?);
            Some(Operation::Choose { choice, rights })
        }
        LINK => {
            let other = reader.identifier()?;
            let holds = reader.byte()? != 0;
            Some(Operation::Link { other, register: LinkRegister { observed_at: reader.millis()?, holds } })
        }
        HEAR => Some(Operation::Hear(read_message(reader, vocabulary)?)),
        ACKNOWLEDGE => {
            let downstream = vocabulary.read_downstream(reader)?;
            let identifier = reader.identifier()?;
            let version = reader.number()?;
            let outcome = if reader.byte()? != 0 { AckOutcome::Applied } else { AckOutcome::Failed };
            let applied_at = reader.millis()?;
            downstream.map(|downstream| {
                Operation::Acknowledge(Acknowledgement { downstream, identifier, version, outcome, applied_at })
            })
        }
        _ => return Err(Corrupt),
    })
}

fn write_message(writer: &mut Writer, vocabulary: &Vocabulary, message: &Message) {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    writer.byte(flag(message.register.holds, HOLDS) | flag(message.from_hub, FROM_HUB) | flag(message.asks, ASKS));
    writer.identifier(&message.from);
    writer.millis(message.register.observed_at);
    writer.number(message.counter);
    write_generation(writer, message.generation);
    write_contribution(writer, vocabulary, &message.said);
}

fn read_message(reader: &mut Reader<'_>, vocabulary: &Vocabulary) -> Result<Message, Corrupt> {
    let flags = reader.byte()?;
    let from = reader.identifier()?;
    let register = LinkRegister { observed_at: reader.millis()?, holds: flags & HOLDS != 0 };
    let counter = reader.number()?;
    let generation = read_generation(reader)?;
    let said = read_contribution(reader, vocabulary)?;
    let (from_hub, asks) = (flags & FROM_HUB != 0, flags & ASKS != 0);
    Ok(Message { from, register, counter, generation, said, from_hub, asks })
}

pub(super) fn write_generation(writer: &mut Writer, generation: Generation) {
    writer.number(generation.counter);
    if generation.counter > 0 {
        writer.fixed(generation.tie);
        writer.byte(generation.cause.code());
    }
}

pub(super) fn read_generation(reader: &mut Reader<'_>) -> Result<Generation, Corrupt> {
    let counter = reader.number()?;
    if counter == 0 {
        return Ok(Generation::default());
    }
    let tie = reader.fixed()?;
    let cause = RetractionCause::of_code(reader.byte()?).ok_or(Corrupt)?;
    Ok(Generation { counter, tie, cause })
}

/// Without its wave: what is stored has come through.
pub(super) fn write_origin(writer: &mut Writer, origin: &Origin) {
    writer.millis(origin.timestamp);
    writer.bytes(origin.traceparent.as_deref().unwrap_or_default().as_bytes());
}

pub(super) fn read_origin(reader: &mut Reader<'_>) -> Result<Origin, Corrupt> {
    let timestamp = reader.millis()?;
    let traceparent = reader.text()?;
    Ok(Origin { timestamp, traceparent: (!traceparent.is_empty()).then(|| traceparent.into()), wave: Wave::NONE })
}
