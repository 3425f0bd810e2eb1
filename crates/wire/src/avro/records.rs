//! Our records.

use std::collections::BTreeMap;

use quell_domain::{AckOutcome, Action, RawAck, RawChoice, RawIdentifier, RawLink};

use super::reader::{Fault, Reader};
use crate::message::{
    NamedIdentifier, ResolutionMessage, ReviewMessage, RightMessage, SuppressionMessage, WatermarkMessage,
};

fn identifier<'a>(reader: &mut Reader<'a>) -> Result<RawIdentifier<'a>, Fault> {
    Ok(RawIdentifier { identifier_type: reader.text()?, value: reader.text()? })
}

/// A `ChoiceEvent`.
pub(crate) fn choice(bytes: &[u8]) -> Result<RawChoice<'_>, Fault> {
    let reader = &mut Reader(bytes);
    let event_id = reader.text()?;
    let action = if reader.symbol(2)? == 0 { Action::OptOut } else { Action::OptIn };
    let mut rights = Vec::new();
    reader.blocks(|reader| {
        rights.push(reader.text()?);
        Ok(())
    })?;
    let mut identifiers = Vec::new();
    reader.blocks(|reader| {
        identifiers.push(identifier(reader)?);
        Ok(())
    })?;
    let (effective_at, received_at) = (reader.long()?, reader.long()?);
    let source = reader.text()?;
    reader.optional_string()?;
    reader.optional_string()?;
    reader.attributes()?;
    reader.end()?;
    Ok(RawChoice { event_id, action, rights, identifiers, effective_at, received_at, source })
}

/// A `LinkEvent`.
pub(crate) fn link(bytes: &[u8]) -> Result<RawLink<'_>, Fault> {
    let reader = &mut Reader(bytes);
    let event_id = reader.text()?;
    let holds = reader.symbol(2)? == 0;
    let (a, b) = (identifier(reader)?, identifier(reader)?);
    let observed_at = reader.long()?;
    let source = reader.text()?;
    reader.attributes()?;
    reader.end()?;
    Ok(RawLink { event_id, holds, a, b, observed_at, source })
}

/// A `SuppressionAck`.
pub(crate) fn ack(bytes: &[u8]) -> Result<RawAck<'_>, Fault> {
    let reader = &mut Reader(bytes);
    let downstream = reader.text()?;
    let identifier = identifier(reader)?;
    let version = reader.long()?;
    let outcome = if reader.symbol(2)? == 0 { AckOutcome::Applied } else { AckOutcome::Failed };
    let applied_at = reader.long()?;
    reader.optional_string()?;
    reader.end()?;
    Ok(RawAck { downstream, identifier, version, outcome, applied_at })
}

/// A `Suppression`.
pub(crate) fn suppression(bytes: &[u8]) -> Result<SuppressionMessage, Fault> {
    let reader = &mut Reader(bytes);
    let named = identifier(reader)?;
    let downstream = reader.string()?.to_owned();
    let version = reader.long()?;
    let suppressed = reader.boolean()?;
    let mut rights = BTreeMap::new();
    reader.blocks(|reader| {
        let name = reader.string()?.to_owned();
        let opted_out = reader.boolean()?;
        let choice_id = reader.string()?.to_owned();
        let since = reader.long()?;
        let inherited = reader.boolean()?;
        let due_at = reader.long()?;
        rights.insert(name, RightMessage { opted_out, choice_id, since, inherited, due_at });
        Ok(())
    })?;
    let published_at = reader.long()?;
    reader.end()?;
    let identifier = NamedIdentifier::new(named.identifier_type, named.value);
    Ok(SuppressionMessage { identifier, downstream, version, suppressed, rights, published_at })
}

/// A `Watermark`.
pub(crate) fn watermark(bytes: &[u8]) -> Result<WatermarkMessage, Fault> {
    let reader = &mut Reader(bytes);
    let (shard, shards) = (reader.int()?, reader.int()?);
    let message = WatermarkMessage {
        shard,
        shards,
        complete_through: reader.long()?,
        observed_at: reader.long()?,
        wave: reader.long()?,
        inputs_through: reader.long()?,
        messages_from: reader.long()?,
        watched_from: reader.long()?,
        complete_wave: reader.long()?,
    };
    reader.end()?;
    Ok(message)
}

/// A `Review`.
pub(crate) fn review(bytes: &[u8]) -> Result<ReviewMessage, Fault> {
    let reader = &mut Reader(bytes);
    let text = |reader: &mut Reader<'_>| reader.string().map(str::to_owned);
    let review_id = text(reader)?;
    let created_at = reader.long()?;
    let subject = identifier(reader)?;
    let (action, system, reason) = (text(reader)?, text(reader)?, text(reader)?);
    let (right, choice_id) = (reader.union(text)?, reader.union(text)?);
    let (since, inherited) = (reader.union(Reader::long)?, reader.union(Reader::boolean)?);
    let significant_decision = reader.union(text)?;
    let (policy_version, policy_sha256) = (text(reader)?, text(reader)?);
    let (model_name, model_version) = (reader.union(text)?, reader.union(text)?);
    let (input_sha256, request_id) = (reader.union(text)?, reader.union(text)?);
    let material = reader.union(text)?;
    let resolution = reader.union(|reader| {
        let by = text(reader)?;
        let at = reader.long()?;
        let outcome = text(reader)?;
        let (changed_proposal, note) = (reader.union(Reader::boolean)?, reader.union(text)?);
        Ok(ResolutionMessage { at, by, outcome, changed_proposal, note })
    })?;
    reader.end()?;
    Ok(ReviewMessage {
        review_id,
        created_at,
        subject: NamedIdentifier::new(subject.identifier_type, subject.value),
        action,
        system,
        reason,
        right,
        choice_id,
        since,
        inherited,
        significant_decision,
        policy_version,
        policy_sha256,
        model_name,
        model_version,
        input_sha256,
        request_id,
        material,
        resolution,
    })
}
