//! Writing our records.

use std::collections::BTreeMap;

use quell_domain::{AckOutcome, Action, Identifier, Policy, Suppression};

use crate::message::{
    AckMessage, ChoiceMessage, DecisionMessage, LinkMessage, NamedIdentifier, ReviewMessage, WatermarkMessage,
};

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn long(&mut self, number: i64) {
        let mut number = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    fn length(&mut self, length: usize) {
        self.long(i64::try_from(length).unwrap_or(i64::MAX)); // no slice is longer
    }

    fn string(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    fn optional(&mut self, text: Option<&str>) {
        self.union(text, Self::string);
    }

    /// A union of null and something.
    fn union<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.long(0),
            Some(value) => {
                self.long(1);
                write(self, value);
            }
        }
    }

    /// The items of an array or a map, in one block.
    fn block<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        if items.len() > 0 {
            self.length(items.len());
            items.for_each(|item| write(self, item));
        }
        self.long(0);
    }

    fn identifier(&mut self, identifier: &NamedIdentifier) {
        self.string(&identifier.identifier_type);
        self.string(&identifier.value);
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, String>) {
        self.block(attributes.iter(), |writer, (key, value)| {
            writer.string(key);
            writer.string(value);
        });
    }
}

/// A `ChoiceEvent`.
pub(crate) fn write_choice(out: &mut Vec<u8>, message: &ChoiceMessage) {
    let mut writer = Writer(out);
    writer.string(&message.event_id);
    writer.long(i64::from(message.action == Action::OptIn));
    writer.block(message.rights.iter(), |writer, right| writer.string(right));
    writer.block(message.identifiers.iter(), Writer::identifier);
    writer.long(message.effective_at);
    writer.long(message.received_at);
    writer.string(&message.source);
    writer.optional(message.channel.as_deref());
    writer.optional(message.jurisdiction.as_deref());
    writer.attributes(&message.attributes);
}

/// A `LinkEvent`.
pub(crate) fn write_link(out: &mut Vec<u8>, message: &LinkMessage) {
    let mut writer = Writer(out);
    writer.string(&message.event_id);
    writer.long(i64::from(!message.holds));
    writer.identifier(&message.a);
    writer.identifier(&message.b);
    writer.long(message.observed_at);
    writer.string(&message.source);
    writer.attributes(&message.attributes);
}

/// A `SuppressionAck`.
pub(crate) fn write_ack(out: &mut Vec<u8>, message: &AckMessage) {
    let mut writer = Writer(out);
    writer.string(&message.downstream);
    writer.identifier(&message.identifier);
    writer.long(message.version);
    writer.long(i64::from(message.outcome == AckOutcome::Failed));
    writer.long(message.applied_at);
    writer.optional(message.detail.as_deref());
}

/// A `Suppression`, straight from the engine's own.
pub(crate) fn write_suppression(out: &mut Vec<u8>, policy: &Policy, suppression: &Suppression) {
    let identifier: &Identifier = &suppression.identifier;
    let downstream = policy.downstreams().get(usize::from(suppression.downstream.0));
    let mut writer = Writer(out);
    writer.string(identifier.identifier_type());
    writer.string(&identifier.value());
    writer.string(downstream.map_or("", |known| &known.name));
    writer.long(i64::try_from(suppression.version).unwrap_or(i64::MAX));
    writer.boolean(suppression.suppressed());
    writer.block(suppression.rights.iter(), |writer, (right, state)| {
        writer.string(policy.right_name(*right));
        writer.boolean(state.opted_out);
        writer.string(state.choice_id.as_str());
        writer.long(state.since.0);
        writer.boolean(state.inherited);
        writer.long(state.due_at.0);
    });
    writer.long(suppression.published_at.0);
}

/// A `Watermark`.
pub(crate) fn write_watermark(out: &mut Vec<u8>, message: &WatermarkMessage) {
    let mut writer = Writer(out);
    writer.long(i64::from(message.shard));
    writer.long(i64::from(message.shards));
    writer.long(message.complete_through);
    writer.long(message.observed_at);
    writer.long(message.wave);
    writer.long(message.inputs_through);
    writer.long(message.messages_from);
    writer.long(message.watched_from);
    writer.long(message.complete_wave);
}

/// A `Decision`.
pub(crate) fn write_decision(out: &mut Vec<u8>, message: &DecisionMessage<'_>) {
    let mut writer = Writer(out);
    writer.string(message.decision_id);
    writer.long(message.decided_at);
    writer.boolean(message.decision);
    writer.string(message.reason);
    writer.union(message.subject.as_ref(), |writer, (identifier_type, value)| {
        writer.string(identifier_type);
        writer.string(value);
    });
    writer.string(message.action);
    writer.string(message.system);
    writer.optional(message.right);
    writer.optional(message.choice_id);
    writer.union(message.since, Writer::long);
    writer.union(message.inherited, Writer::boolean);
    writer.union(message.as_of, Writer::long);
    writer.union(message.staleness_ms, Writer::long);
    writer.optional(message.obligation);
    writer.optional(message.significant_decision);
    writer.string(message.policy_version);
    writer.string(message.policy_sha256);
    writer.optional(message.model_name);
    writer.optional(message.model_version);
    writer.optional(message.input_sha256);
    writer.optional(message.request_id);
    writer.string(message.asked_by);
    writer.string(message.software_version);
}

/// A `Review`.
pub(crate) fn write_review(out: &mut Vec<u8>, message: &ReviewMessage) {
    let mut writer = Writer(out);
    writer.string(&message.review_id);
    writer.long(message.created_at);
    writer.identifier(&message.subject);
    writer.string(&message.action);
    writer.string(&message.system);
    writer.string(&message.reason);
    writer.optional(message.right.as_deref());
    writer.optional(message.choice_id.as_deref());
    writer.union(message.since, Writer::long);
    writer.union(message.inherited, Writer::boolean);
    writer.optional(message.significant_decision.as_deref());
    writer.string(&message.policy_version);
    writer.string(&message.policy_sha256);
    writer.optional(message.model_name.as_deref());
    writer.optional(message.model_version.as_deref());
    writer.optional(message.input_sha256.as_deref());
    writer.optional(message.request_id.as_deref());
    writer.optional(message.material.as_deref());
    writer.union(message.resolution.as_ref(), |writer, resolution| {
        writer.string(&resolution.by);
        writer.long(resolution.at);
        writer.string(&resolution.outcome);
        writer.union(resolution.changed_proposal, Writer::boolean);
        writer.optional(resolution.note.as_deref());
    });
}
