//! `quell emit …`: one event, checked at the door as the engine would, encoded as `encoding.format` says, published.

mod acknowledgement;
mod choice;
mod link;

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quell_domain::{Action, Millis, Policy, RawIdentifier, Refusal, uuid_text};
use quell_kafka::{Message, Publisher};
use quell_wire::{Encoder, NamedIdentifier};

use crate::config::{Config, Topics};
use crate::failure::Failure;
use crate::moment::{Moment, now};
use crate::values::AttributeArgument;
use crate::{parts, policy};

/// `quell emit …`
#[derive(Debug, Subcommand)]
pub enum EmitCommand {
    /// A consumer opts out of one or more rights
    OptOut(choice::ChoiceArguments),
    /// A consumer opts back in to one or more rights
    OptIn(choice::ChoiceArguments),
    /// Two identifiers are seen to be the same consumer
    Link(link::LinkArguments),
    /// Two identifiers are no longer seen to be the same consumer
    Unlink(link::LinkArguments),
    /// A downstream has applied a suppression, or could not
    Ack(acknowledgement::AckArguments),
}

/// What choices and links have in common.
#[derive(Debug, Args)]
pub struct EventArguments {
    /// Who reports it, as the policy names it
    #[arg(long, value_name = "SOURCE", default_value = "quell-emit")]
    source: String,
    /// The event's id [default: a new UUID]
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Something to remember with it, for the audit; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<AttributeArgument>,
    /// Publish it even if the engine would refuse it
    #[arg(long)]
    unchecked: bool,
}

/// An event that is ready to go.
struct Event {
    topic: String,
    key: String,
    value: Vec<u8>,
    /// For the terminal: `opt-out 3fa9…`.
    called: String,
    /// What the engine would not take of it.
    refusals: Vec<Refusal>,
    unchecked: bool,
}

/// What an event is made with.
struct Making<'a> {
    topics: &'a Topics,
    policy: &'a Policy,
    encoder: &'a Encoder,
    now: Millis,
}

/// Publishes an event.
///
/// # Errors
/// When the engine would refuse it, or it cannot be published.
pub fn emit(path: Option<&Path>, command: &EmitCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    let settings = parts::kafka(&config, &policy)?;
    let encoder = parts::encoder(&config.encoding).context("cannot use encoding.schema_registry_url")?;
    let making = Making { topics: &config.topics, policy: &policy, encoder: &encoder, now: now() };
    let event = match command {
        EmitCommand::OptOut(asked) => choice::event(&making, Action::OptOut, asked)?,
        EmitCommand::OptIn(asked) => choice::event(&making, Action::OptIn, asked)?,
        EmitCommand::Link(asked) => link::event(&making, true, asked)?,
        EmitCommand::Unlink(asked) => link::event(&making, false, asked)?,
        EmitCommand::Ack(asked) => acknowledgement::event(&making, asked)?,
    };
    if let Some(refusal) = event.refusals.first().filter(|_| !event.unchecked) {
        let (code, message) = (refusal.code, &refusal.message);
        return Err(Failure::usage(format!(
            "the engine would refuse it as {code}: {message}; mend it, or add --unchecked"
        )));
    }
    let message = Message {
        topic: event.topic.clone(),
        key: Some(event.key.into_bytes()),
        value: Some(event.value),
        headers: Vec::new(),
        timestamp: None,
    };
    // A name of its own: of two that publish under one name at the same time, one would be fenced.
    let name = format!("emit-{}", new_uuid()?);
    Publisher::new(&settings, &name)
        .and_then(|publisher| publisher.publish(&[message]))
        .with_context(|| format!("cannot publish at {} (kafka.bootstrap_servers)", config.kafka.bootstrap_servers))?;
    writeln!(out, "published {} to {}", event.called, event.topic)?;
    Ok(())
}

impl EventArguments {
    fn event_id(&self) -> Result<String, Failure> {
        self.event_id.clone().map_or_else(new_uuid, Ok)
    }

    fn attributes(&self) -> std::collections::BTreeMap<String, String> {
        self.attributes.iter().map(|attribute| attribute.0.clone()).collect()
    }
}

/// A version 4 UUID.
fn new_uuid() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("this machine gives no random bytes: {error}")))?;
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = (*version & 0x0F) | 0x40;
    *variant = (*variant & 0x3F) | 0x80;
    Ok(uuid_text(&bytes))
}

/// The time that was given, or now.
fn or_now(given: Option<Moment>, now: Millis) -> i64 {
    given.map_or(now, |Moment(at)| at).0
}

fn raw(identifier: &NamedIdentifier) -> RawIdentifier<'_> {
    RawIdentifier {
        identifier_type: identifier.identifier_type.as_str().into(),
        value: identifier.value.as_str().into(),
    }
}

/// The key of an event: what it is about, so that events about the same identifier stay in order.
fn key(identifier: &NamedIdentifier) -> String {
    format!("{}:{}", identifier.identifier_type, identifier.value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn an_event_id_is_a_random_uuid() {
        let (one, other) = (new_uuid().unwrap(), new_uuid().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.get(14..15)), (36, Some("4")));
        assert!(one.get(19..20).is_some_and(|variant| "89ab".contains(variant)), "{one}");
    }
}
