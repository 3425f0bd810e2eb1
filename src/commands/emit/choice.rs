//! `quell emit opt-out` and `quell emit opt-in`

use anyhow::Context as _;
use clap::Args;
use quell_domain::{Action, RawChoice, judge_choice};
use quell_wire::{ChoiceMessage, NamedIdentifier};

use super::{Event, EventArguments, Making, key, or_now, raw};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::values::IdentifierArgument;

/// Arguments of `quell emit opt-out` and `quell emit opt-in`.
#[derive(Debug, Args)]
pub struct ChoiceArguments {
    /// Where the consumer made the choice. Naming two does not link them
    #[arg(value_name = "TYPE=VALUE", required = true)]
    identifiers: Vec<IdentifierArgument>,
    /// A right that the policy declares: sale, sharing, admt:hiring, …; may be repeated
    #[arg(long = "right", value_name = "RIGHT", required = true, value_delimiter = ',')]
    rights: Vec<String>,
    /// When the consumer made it [default: now]
    #[arg(long, value_name = "TIME")]
    effective_at: Option<Moment>,
    /// When the business received it; the legal clock starts here [default: now]
    #[arg(long, value_name = "TIME")]
    received_at: Option<Moment>,
    /// How it was made: gpc, web_form, call_center, …
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// Under which law, as in US-CA
    #[arg(long, value_name = "PLACE")]
    jurisdiction: Option<String>,
    #[command(flatten)]
    event: EventArguments,
}

pub(super) fn event(making: &Making<'_>, action: Action, asked: &ChoiceArguments) -> Result<Event, Failure> {
    let identifiers: Vec<NamedIdentifier> = asked.identifiers.iter().map(|argument| argument.0.clone()).collect();
    let message = ChoiceMessage {
        event_id: asked.event.event_id()?,
        action,
        rights: asked.rights.clone(),
        identifiers,
        effective_at: or_now(asked.effective_at, making.now),
        received_at: or_now(asked.received_at, making.now),
        source: asked.event.source.clone(),
        channel: asked.channel.clone(),
        jurisdiction: asked.jurisdiction.clone(),
        attributes: asked.event.attributes(),
    };
    let as_decoded = RawChoice {
        event_id: message.event_id.as_str().into(),
        action,
        rights: message.rights.iter().map(|right| right.as_str().into()).collect(),
        identifiers: message.identifiers.iter().map(raw).collect(),
        effective_at: message.effective_at,
        received_at: message.received_at,
        source: message.source.as_str().into(),
    };
    let refusals = judge_choice(making.policy, making.now, &as_decoded).refusals;
    let topic = making.topics.choices.clone();
    let says = match action {
        Action::OptIn => "opt-in",
        Action::OptOut => "opt-out",
    };
    Ok(Event {
        value: making.encoder.choice(&topic, &message).context("cannot encode the choice")?,
        topic,
        key: message.identifiers.first().map(key).unwrap_or_default(),
        called: format!("{says} {}", message.event_id),
        refusals,
        unchecked: asked.event.unchecked,
    })
}
