//! `quell emit ack`

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use quell_domain::{AckOutcome, RawAck, judge_ack};
use quell_wire::AckMessage;

use super::{Event, Making, key, or_now, raw};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::values::{IdentifierArgument, whole_number};

/// Arguments of `quell emit ack`.
#[derive(Debug, Args)]
pub struct AckArguments {
    /// Who says it: a downstream of the policy
    #[arg(value_name = "DOWNSTREAM")]
    downstream: String,
    /// Of whom
    #[arg(value_name = "TYPE=VALUE")]
    identifier: IdentifierArgument,
    /// The highest version applied; it covers every lower one
    #[arg(long, value_name = "NUMBER", value_parser = whole_number::<i64>)]
    version: i64,
    /// What became of it
    #[arg(long, value_name = "OUTCOME", default_value = "applied")]
    outcome: OutcomeArgument,
    /// When it was applied, or given up [default: now]
    #[arg(long, value_name = "TIME")]
    applied_at: Option<Moment>,
    /// What else there is to say
    #[arg(long, value_name = "TEXT")]
    detail: Option<String>,
    /// Publish it even if the engine would refuse it
    #[arg(long)]
    unchecked: bool,
}

/// What became of a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutcomeArgument {
    Applied,
    Failed,
}

impl From<OutcomeArgument> for AckOutcome {
    fn from(outcome: OutcomeArgument) -> Self {
        match outcome {
            OutcomeArgument::Applied => Self::Applied,
            OutcomeArgument::Failed => Self::Failed,
        }
    }
}

pub(super) fn event(making: &Making<'_>, asked: &AckArguments) -> Result<Event, Failure> {
    let message = AckMessage {
        downstream: asked.downstream.clone(),
        identifier: asked.identifier.0.clone(),
        version: asked.version,
        outcome: asked.outcome.into(),
        applied_at: or_now(asked.applied_at, making.now),
        detail: asked.detail.clone(),
    };
    let as_decoded = RawAck {
        downstream: message.downstream.as_str().into(),
        identifier: raw(&message.identifier),
        version: message.version,
        outcome: message.outcome,
        applied_at: message.applied_at,
    };
    let refusals = judge_ack(making.policy, making.now, &as_decoded).err().into_iter().collect();
    let topic = making.topics.acks.clone();
    Ok(Event {
        value: making.encoder.ack(&topic, &message).context("cannot encode the acknowledgement")?,
        topic,
        key: key(&message.identifier),
        called: format!("ack of version {} by {}", message.version, message.downstream),
        refusals,
        unchecked: asked.unchecked,
    })
}
