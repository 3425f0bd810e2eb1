//! `quell emit link` and `quell emit unlink`

use anyhow::Context as _;
use clap::Args;
use quell_domain::{RawLink, judge_link};
use quell_wire::LinkMessage;

use super::{Event, EventArguments, Making, key, or_now, raw};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::values::IdentifierArgument;

/// Arguments of `quell emit link` and `quell emit unlink`.
#[derive(Debug, Args)]
pub struct LinkArguments {
    /// One end
    #[arg(value_name = "TYPE=VALUE")]
    a: IdentifierArgument,
    /// The other end
    #[arg(value_name = "TYPE=VALUE")]
    b: IdentifierArgument,
    /// When it was seen [default: now]
    #[arg(long, value_name = "TIME")]
    observed_at: Option<Moment>,
    #[command(flatten)]
    event: EventArguments,
}

pub(super) fn event(making: &Making<'_>, holds: bool, asked: &LinkArguments) -> Result<Event, Failure> {
    let message = LinkMessage {
        event_id: asked.event.event_id()?,
        holds,
        a: asked.a.0.clone(),
        b: asked.b.0.clone(),
        observed_at: or_now(asked.observed_at, making.now),
        source: asked.event.source.clone(),
        attributes: asked.event.attributes(),
    };
    let as_decoded = RawLink {
        event_id: message.event_id.as_str().into(),
        holds,
        a: raw(&message.a),
        b: raw(&message.b),
        observed_at: message.observed_at,
        source: message.source.as_str().into(),
    };
    let refusals = judge_link(making.policy, making.now, &as_decoded).err().into_iter().collect();
    let topic = making.topics.links.clone();
    Ok(Event {
        value: making.encoder.link(&topic, &message).context("cannot encode the link")?,
        topic,
        key: key(&message.a),
        called: format!("{} {}", if holds { "link" } else { "unlink" }, message.event_id),
        refusals,
        unchecked: asked.event.unchecked,
    })
}
