//! The door: what of a decoded event takes effect, and what is refused (contract, "What gets refused, and how").

use std::borrow::Cow;
use std::sync::Arc;

use crate::acknowledgement::{AckOutcome, Acknowledgement};
use crate::choice::{Action, Choice, ChoiceEvent, EventId};
use crate::identifier::Identifier;
use crate::link::LinkEvent;
use crate::policy::{Deed, Policy};
use crate::refusal::{Refusal, RefusalCode};
use crate::right::RightSet;
use crate::time::Millis;

/// An identifier as an event names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawIdentifier<'a> {
    /// Its type.
    pub identifier_type: Cow<'a, str>,
    /// Its value.
    pub value: Cow<'a, str>,
}

/// A decoded choice event; what is kept for the audit alone is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawChoice<'a> {
    /// `event_id`
    pub event_id: Cow<'a, str>,
    /// `action`
    pub action: Action,
    /// `rights`
    pub rights: Vec<Cow<'a, str>>,
    /// `identifiers`
    pub identifiers: Vec<RawIdentifier<'a>>,
    /// `effective_at`, in milliseconds
    pub effective_at: i64,
    /// `received_at`, in milliseconds
    pub received_at: i64,
    /// `source`
    pub source: Cow<'a, str>,
}

/// A decoded link event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLink<'a> {
    /// `event_id`
    pub event_id: Cow<'a, str>,
    /// `action`: true for `LINK`
    pub holds: bool,
    /// `a`
    pub a: RawIdentifier<'a>,
    /// `b`
    pub b: RawIdentifier<'a>,
    /// `observed_at`, in milliseconds
    pub observed_at: i64,
    /// `source`
    pub source: Cow<'a, str>,
}

/// A decoded acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAck<'a> {
    /// `downstream`
    pub downstream: Cow<'a, str>,
    /// `identifier`
    pub identifier: RawIdentifier<'a>,
    /// `version`
    pub version: i64,
    /// `outcome`
    pub outcome: AckOutcome,
    /// `applied_at`, in milliseconds
    pub applied_at: i64,
}

/// What is good in an event, and what is not. Both, if only parts of it are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<T> {
    /// What takes effect.
    pub accepted: Option<T>,
    /// Why the rest does not. Not empty if nothing is accepted.
    pub refusals: Vec<Refusal>,
}

/// Judges a choice part by part: it is never lost for a bad part of it.
#[must_use]
pub fn judge_choice(policy: &Policy, now: Millis, raw: &RawChoice<'_>) -> Judged<ChoiceEvent> {
    let deed = match raw.action {
        Action::OptOut => Deed::OptOut,
        Action::OptIn => Deed::OptIn,
    };
    let whole = || {
        let event_id = event_id(&raw.event_id)?;
        let effective_at = instant(policy, now, "effective_at", raw.effective_at)?;
        let received_at = instant(policy, now, "received_at", raw.received_at)?;
        policy.trusts(&raw.source, deed)?;
        Ok((event_id, effective_at, received_at))
    };
    let (event_id, effective_at, received_at) = match whole() {
        Ok(parts) => parts,
        Err(refusal) => return Judged { accepted: None, refusals: vec![refusal] },
    };
    let mut refusals = Vec::new();
    let mut rights = RightSet::EMPTY;
    for name in &raw.rights {
        match policy.named_by(name) {
            Some(named) => rights = rights.union(named),
            None => refusals.push(Refusal::new(RefusalCode::UnknownRight, "the policy does not declare the right")),
        }
    }
    let mut identifiers: Vec<Identifier> = Vec::with_capacity(raw.identifiers.len());
    for named in &raw.identifiers {
        match policy.identify(&named.identifier_type, &named.value) {
            Ok(identifier) => identifiers.push(identifier),
            Err(refusal) => refusals.push(refusal),
        }
    }
    identifiers.sort_unstable();
    identifiers.dedup();
    if raw.rights.is_empty() {
        refusals.push(Refusal::new(RefusalCode::Invalid, "no right is named"));
    }
    if raw.identifiers.is_empty() {
        refusals.push(Refusal::new(RefusalCode::Invalid, "no identifier is named"));
    }
    let accepted = (!rights.is_empty() && !identifiers.is_empty()).then(|| ChoiceEvent {
        choice: Arc::new(Choice::new(event_id, raw.action, effective_at, received_at, &identifiers)),
        rights,
        identifiers,
    });
    Judged { accepted, refusals }
}

/// Judges a link: it has two ends, so it is whole or refused.
///
/// # Errors
/// The first fault found.
pub fn judge_link(policy: &Policy, now: Millis, raw: &RawLink<'_>) -> Result<LinkEvent, Refusal> {
    event_id(&raw.event_id)?;
    let observed_at = instant(policy, now, "observed_at", raw.observed_at)?;
    policy.trusts(&raw.source, if raw.holds { Deed::Link } else { Deed::Unlink })?;
    let a = policy.identify(&raw.a.identifier_type, &raw.a.value)?;
    let b = policy.identify(&raw.b.identifier_type, &raw.b.value)?;
    if a == b {
        return Err(Refusal::new(RefusalCode::Invalid, "both ends of the link are the same identifier"));
    }
    Ok(LinkEvent { a, b, holds: raw.holds, observed_at })
}

/// Judges an acknowledgement.
///
/// # Errors
/// The first fault found.
pub fn judge_ack(policy: &Policy, now: Millis, raw: &RawAck<'_>) -> Result<Acknowledgement, Refusal> {
    let Some(downstream) = policy.downstream(&raw.downstream) else {
        return Err(Refusal::new(RefusalCode::UnknownDownstream, "the policy does not declare the downstream"));
    };
    let version = u64::try_from(raw.version).ok().filter(|version| *version > 0);
    let Some(version) = version else {
        return Err(Refusal::new(RefusalCode::Invalid, format!("version is {}, and versions begin at 1", raw.version)));
    };
    let applied_at = instant(policy, now, "applied_at", raw.applied_at)?;
    let identifier = policy.identify(&raw.identifier.identifier_type, &raw.identifier.value)?;
    Ok(Acknowledgement { downstream, identifier, version, outcome: raw.outcome, applied_at })
}

fn event_id(id: &str) -> Result<EventId, Refusal> {
    EventId::new(id).map_err(|error| Refusal::new(RefusalCode::Invalid, error.to_string()))
}

fn instant(policy: &Policy, now: Millis, field: &str, at: i64) -> Result<Millis, Refusal> {
    if at < 0 {
        return Err(Refusal::new(RefusalCode::Invalid, format!("{field} is before 1970")));
    }
    if Millis(at) > now + policy.max_clock_skew() {
        return Err(Refusal::new(RefusalCode::Future, format!("{field} is ahead of the engine's clock")));
    }
    Ok(Millis(at))
}
