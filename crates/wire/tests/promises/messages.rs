//! Any messages: far beyond what the door would let in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use quell_domain::{AckOutcome, Action, RawAck, RawChoice, RawIdentifier, RawLink};
use quell_wire::{
    AckMessage, ChoiceMessage, DecodeError, Decoder, Encoder, Format, LinkMessage, NamedIdentifier, schemas,
};

/// A message of any kind that is read.
#[derive(Clone, Debug)]
pub enum Message {
    Choice(ChoiceMessage),
    Link(LinkMessage),
    Ack(AckMessage),
}

/// What such a message is decoded to.
#[derive(Debug, PartialEq)]
pub enum Raw<'a> {
    Choice(RawChoice<'a>),
    Link(RawLink<'a>),
    Ack(RawAck<'a>),
}

pub fn any_message() -> BoxedStrategy<Message> {
    prop_oneof![
        any_choice().prop_map(Message::Choice),
        any_link().prop_map(Message::Link),
        any_ack().prop_map(Message::Ack),
    ]
    .boxed()
}

fn any_choice() -> BoxedStrategy<ChoiceMessage> {
    let action = prop_oneof![Just(Action::OptOut), Just(Action::OptIn)];
    let rights = prop::collection::vec(any_text(), 0..4);
    let identifiers = prop::collection::vec(any_identifier(), 0..4);
    let times = (any_long(), any_long());
    let optional = (prop::option::of(any_text()), prop::option::of(any_text()));
    let parts = (any_text(), action, rights, identifiers, times, any_text(), optional, any_attributes());
    let message = |(event_id, action, rights, identifiers, times, source, optional, attributes)| {
        let ((effective_at, received_at), (channel, jurisdiction)) = (times, optional);
        ChoiceMessage {
            event_id,
            action,
            rights,
            identifiers,
            effective_at,
            received_at,
            source,
            channel,
            jurisdiction,
            attributes,
        }
    };
    parts.prop_map(message).boxed()
}

fn any_link() -> BoxedStrategy<LinkMessage> {
    let ends = (any_identifier(), any_identifier());
    let parts = (any_text(), any::<bool>(), ends, any_long(), any_text(), any_attributes());
    let message = |(event_id, holds, (a, b), observed_at, source, attributes)| LinkMessage {
        event_id,
        holds,
        a,
        b,
        observed_at,
        source,
        attributes,
    };
    parts.prop_map(message).boxed()
}

fn any_ack() -> BoxedStrategy<AckMessage> {
    let outcome = prop_oneof![Just(AckOutcome::Applied), Just(AckOutcome::Failed)];
    let parts = (any_text(), any_identifier(), any_long(), outcome, any_long(), prop::option::of(any_text()));
    let message = |(downstream, identifier, version, outcome, applied_at, detail)| AckMessage {
        downstream,
        identifier,
        version,
        outcome,
        applied_at,
        detail,
    };
    parts.prop_map(message).boxed()
}

fn any_identifier() -> BoxedStrategy<NamedIdentifier> {
    (any_text(), any_text()).prop_map(|(of, value)| NamedIdentifier::new(of, value)).boxed()
}

fn any_attributes() -> BoxedStrategy<BTreeMap<String, String>> {
    prop::collection::btree_map(any_text(), any_text(), 0..3).boxed()
}

/// Of any characters, and sometimes so long that its length takes two bytes.
fn any_text() -> BoxedStrategy<String> {
    let length = prop_oneof![15 => 0..12usize, 1 => 60..80usize];
    length.prop_flat_map(|length| prop::collection::vec(any::<char>(), length)).prop_map(String::from_iter).boxed()
}

pub fn any_long() -> BoxedStrategy<i64> {
    prop_oneof![any::<i64>(), -70i64..70, Just(i64::MIN), Just(i64::MAX), Just(1_795_464_000_000)].boxed()
}

impl Message {
    pub fn schema(&self) -> schemas::WireSchema {
        match self {
            Self::Choice(_) => schemas::CHOICE_EVENT,
            Self::Link(_) => schemas::LINK_EVENT,
            Self::Ack(_) => schemas::SUPPRESSION_ACK,
        }
    }

    pub fn encode(&self, format: Format) -> Vec<u8> {
        let encoder = Encoder::new(format, None);
        let encoded = match self {
            Self::Choice(message) => encoder.choice("topic", message),
            Self::Link(message) => encoder.link("topic", message),
            Self::Ack(message) => encoder.ack("topic", message),
        };
        encoded.unwrap()
    }

    /// Decodes bytes as a message of this kind.
    pub fn decode<'a>(&self, decoder: &Decoder, bytes: &'a [u8]) -> Result<Raw<'a>, DecodeError> {
        match self {
            Self::Choice(_) => decoder.choice(Some(bytes)).map(Raw::Choice),
            Self::Link(_) => decoder.link(Some(bytes)).map(Raw::Link),
            Self::Ack(_) => decoder.ack(Some(bytes)).map(Raw::Ack),
        }
    }

    /// What is to be read of it.
    pub fn raw(&self) -> Raw<'_> {
        match self {
            Self::Choice(message) => Raw::Choice(RawChoice {
                event_id: Cow::Borrowed(&message.event_id),
                action: message.action,
                rights: message.rights.iter().map(|right| Cow::Borrowed(right.as_str())).collect(),
                identifiers: message.identifiers.iter().map(raw).collect(),
                effective_at: message.effective_at,
                received_at: message.received_at,
                source: Cow::Borrowed(&message.source),
            }),
            Self::Link(message) => Raw::Link(RawLink {
                event_id: Cow::Borrowed(&message.event_id),
                holds: message.holds,
                a: raw(&message.a),
                b: raw(&message.b),
                observed_at: message.observed_at,
                source: Cow::Borrowed(&message.source),
            }),
            Self::Ack(message) => Raw::Ack(RawAck {
                downstream: Cow::Borrowed(&message.downstream),
                identifier: raw(&message.identifier),
                version: message.version,
                outcome: message.outcome,
                applied_at: message.applied_at,
            }),
        }
    }
}

fn raw(identifier: &NamedIdentifier) -> RawIdentifier<'_> {
    RawIdentifier {
        identifier_type: Cow::Borrowed(&identifier.identifier_type),
        value: Cow::Borrowed(&identifier.value),
    }
}
