//! JSON: the plain form of Avro's JSON encoding, without type wrappers around unions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quell_domain::{AckOutcome, Action, Policy, RawAck, RawChoice, RawIdentifier, RawLink, Suppression};
use serde_json::{Map, Value, json};

use crate::message::{
    AckMessage, ChoiceMessage, DecisionMessage, LinkMessage, NamedIdentifier, ResolutionMessage, ReviewMessage,
    RightMessage, SuppressionMessage, WatermarkMessage,
};

/// The fields of a record.
struct Fields(Map<String, Value>);

fn record(bytes: &[u8]) -> Result<Fields, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the record is not UTF-8".to_owned())?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(Fields(fields)),
        Ok(_) => Err("the record is not a JSON object".to_owned()),
        Err(error) => Err(format!("the record is not JSON: {error}")),
    }
}

impl Fields {
    fn take(&mut self, name: &str) -> Result<Value, String> {
        self.0.remove(name).ok_or_else(|| format!("the record has no field {name}"))
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        text(self.take(name)?, name)
    }

    fn long(&mut self, name: &str) -> Result<i64, String> {
        self.take(name)?.as_i64().ok_or_else(|| format!("{name} is not a whole number of 64 bits"))
    }

    /// Milliseconds, or RFC 3339 with any offset. A fraction of a millisecond is cut off.
    fn instant(&mut self, name: &str) -> Result<i64, String> {
        let wrong = || format!("{name} is neither milliseconds nor an RFC 3339 time");
        match self.take(name)? {
            Value::Number(number) => match number.as_i64() {
                Some(millis) => Ok(millis),
                None => whole(number.as_f64().ok_or_else(wrong)?).ok_or_else(wrong),
            },
            Value::String(text) => rfc_3339(&text).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.optional(name, |fields| fields.text(name))
    }

    fn boolean(&mut self, name: &str) -> Result<bool, String> {
        self.take(name)?.as_bool().ok_or_else(|| format!("{name} is not a boolean"))
    }

    /// A field that may be missing, or null.
    fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        if self.0.get(name).is_none_or(Value::is_null) { Ok(None) } else { read(self).map(Some) }
    }

    fn array<T>(&mut self, name: &str, item: impl Fn(Value) -> Result<T, String>) -> Result<Vec<T>, String> {
        match self.take(name)? {
            Value::Array(values) => values.into_iter().map(item).collect(),
            _ => Err(format!("{name} is not an array")),
        }
    }

    fn attributes(&mut self) -> Result<(), String> {
        match self.0.remove("attributes") {
            None => Ok(()),
            Some(Value::Object(values)) if values.values().all(Value::is_string) => Ok(()),
            Some(_) => Err("attributes is not a map of strings".to_owned()),
        }
    }

    fn symbol<const N: usize>(&mut self, name: &str, symbols: [&str; N]) -> Result<usize, String> {
        let symbol = self.text(name)?;
        let known = symbols.iter().position(|known| *known == symbol);
        known.ok_or_else(|| format!("{name} is none of {}", symbols.join(", ")))
    }
}

/// An RFC 3339 time in milliseconds; also one at the very end of the year 9999, which is beyond what the time library
/// takes for an instant, and with more digits of a second than it knows.
fn rfc_3339(text: &str) -> Option<i64> {
    const DIGITS_MAX: usize = 9;
    let (before, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let (kept, behind) = (fraction.get(..digits.min(DIGITS_MAX))?, fraction.get(digits..)?);
    let point = if text.len() > before.len() { "." } else { "" };
    let text = format!("{before}{point}{kept}{behind}");

    let pieces = jiff::fmt::temporal::Pieces::parse(&text).ok()?;
    let local = pieces.date().to_datetime(pieces.time()?);
    let since_epoch = local.duration_since(jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let millis = i64::try_from(since_epoch.as_nanos().div_euclid(1_000_000)).ok()?;
    millis.checked_sub(i64::from(pieces.to_numeric_offset()?.seconds()) * 1_000)
}

/// The whole part of a number of milliseconds.
fn whole(number: f64) -> Option<i64> {
    // Beyond this not every whole number is one of these numbers; no real time is near.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_finite() && number.abs() <= EXACT { format!("{:.0}", number.floor()).parse().ok() } else { None }
}

/// A string; also one in the wrapper that Avro's JSON encoding puts around a union.
fn text(value: Value, name: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Object(mut wrapped) if wrapped.len() == 1 => match wrapped.remove("string") {
            Some(Value::String(text)) => Ok(text),
            _ => Err(format!("{name} is not a string")),
        },
        _ => Err(format!("{name} is not a string")),
    }
}

fn identifier(value: Value, name: &str) -> Result<RawIdentifier<'static>, String> {
    match value {
        Value::Object(fields) => {
            let mut fields = Fields(fields);
            let identifier_type = Cow::Owned(fields.text("type")?);
            Ok(RawIdentifier { identifier_type, value: Cow::Owned(fields.text("value")?) })
        }
        _ => Err(format!("{name} is not an identifier")),
    }
}

/// A `ChoiceEvent`.
pub(crate) fn choice(bytes: &[u8]) -> Result<RawChoice<'_>, String> {
    let mut fields = record(bytes)?;
    let event_id = Cow::Owned(fields.text("event_id")?);
    let action = if fields.symbol("action", ["OPT_OUT", "OPT_IN"])? == 0 { Action::OptOut } else { Action::OptIn };
    let rights = fields.array("rights", |value| text(value, "a right").map(Cow::Owned))?;
    let identifiers = fields.array("identifiers", |value| identifier(value, "one of the identifiers"))?;
    let (effective_at, received_at) = (fields.instant("effective_at")?, fields.instant("received_at")?);
    let source = Cow::Owned(fields.text("source")?);
    fields.optional_text("channel")?;
    fields.optional_text("jurisdiction")?;
    fields.attributes()?;
    Ok(RawChoice { event_id, action, rights, identifiers, effective_at, received_at, source })
}

/// A `LinkEvent`.
pub(crate) fn link(bytes: &[u8]) -> Result<RawLink<'_>, String> {
    let mut fields = record(bytes)?;
    let event_id = Cow::Owned(fields.text("event_id")?);
    let holds = fields.symbol("action", ["LINK", "UNLINK"])? == 0;
    let (a, b) = (identifier(fields.take("a")?, "a")?, identifier(fields.take("b")?, "b")?);
    let observed_at = fields.instant("observed_at")?;
    let source = Cow::Owned(fields.text("source")?);
    fields.attributes()?;
    Ok(RawLink { event_id, holds, a, b, observed_at, source })
}

/// A `SuppressionAck`.
pub(crate) fn ack(bytes: &[u8]) -> Result<RawAck<'_>, String> {
    let mut fields = record(bytes)?;
    let downstream = Cow::Owned(fields.text("downstream")?);
    let identifier = identifier(fields.take("identifier")?, "identifier")?;
    let version = fields.long("version")?;
    let applied = fields.symbol("outcome", ["APPLIED", "FAILED"])? == 0;
    let outcome = if applied { AckOutcome::Applied } else { AckOutcome::Failed };
    let applied_at = fields.instant("applied_at")?;
    fields.optional_text("detail")?;
    Ok(RawAck { downstream, identifier, version, outcome, applied_at })
}

/// A `Suppression`.
pub(crate) fn suppression(bytes: &[u8]) -> Result<SuppressionMessage, String> {
    let mut fields = record(bytes)?;
    let named = identifier(fields.take("identifier")?, "identifier")?;
    let mut rights = BTreeMap::new();
    match fields.take("rights")? {
        Value::Object(states) => {
            for (name, state) in states {
                let Value::Object(state) = state else { return Err("rights holds what is no state".to_owned()) };
                let mut state = Fields(state);
                let message = RightMessage {
                    opted_out: state.boolean("opted_out")?,
                    choice_id: state.text("choice_id")?,
                    since: state.instant("since")?,
                    inherited: state.boolean("inherited")?,
                    due_at: state.instant("due_at")?,
                };
                rights.insert(name, message);
            }
        }
        _ => return Err("rights is not a map".to_owned()),
    }
    Ok(SuppressionMessage {
        identifier: NamedIdentifier::new(named.identifier_type, named.value),
        downstream: fields.text("downstream")?,
        version: fields.long("version")?,
        suppressed: fields.boolean("suppressed")?,
        rights,
        published_at: fields.instant("published_at")?,
    })
}

fn named(identifier: &NamedIdentifier) -> Value {
    json!({ "type": identifier.identifier_type, "value": identifier.value })
}

/// A `ChoiceEvent`.
pub(crate) fn write_choice(message: &ChoiceMessage) -> Value {
    json!({
        "event_id": message.event_id,
        "action": match message.action { Action::OptOut => "OPT_OUT", Action::OptIn => "OPT_IN" },
        "rights": message.rights,
        "identifiers": message.identifiers.iter().map(named).collect::<Vec<_>>(),
        "effective_at": message.effective_at,
        "received_at": message.received_at,
        "source": message.source,
        "channel": message.channel,
        "jurisdiction": message.jurisdiction,
        "attributes": message.attributes,
    })
}

/// A `LinkEvent`.
pub(crate) fn write_link(message: &LinkMessage) -> Value {
    json!({
        "event_id": message.event_id,
        "action": if message.holds { "LINK" } else { "UNLINK" },
        "a": named(&message.a),
        "b": named(&message.b),
        "observed_at": message.observed_at,
        "source": message.source,
        "attributes": message.attributes,
    })
}

/// A `SuppressionAck`.
pub(crate) fn write_ack(message: &AckMessage) -> Value {
    json!({
        "downstream": message.downstream,
        "identifier": named(&message.identifier),
        "version": message.version,
        "outcome": match message.outcome { AckOutcome::Applied => "APPLIED", AckOutcome::Failed => "FAILED" },
        "applied_at": message.applied_at,
        "detail": message.detail,
    })
}

/// A `Suppression`.
pub(crate) fn write_suppression(policy: &Policy, suppression: &Suppression) -> Value {
    let rights: Map<String, Value> = suppression
        .rights
        .iter()
        .map(|(right, state)| {
            let state = json!({
                "opted_out": state.opted_out,
                "choice_id": state.choice_id.as_str(),
                "since": state.since.0,
                "inherited": state.inherited,
                "due_at": state.due_at.0,
            });
            (policy.right_name(*right).to_owned(), state)
        })
        .collect();
    let downstream = policy.downstreams().get(usize::from(suppression.downstream.0));
    json!({
        "identifier": {
            "type": suppression.identifier.identifier_type(),
            "value": suppression.identifier.value(),
        },
        "downstream": downstream.map_or("", |known| &known.name),
        "version": suppression.version,
        "suppressed": suppression.suppressed(),
        "rights": rights,
        "published_at": suppression.published_at.0,
    })
}

/// A `Watermark`.
pub(crate) fn watermark(bytes: &[u8]) -> Result<WatermarkMessage, String> {
    let mut fields = record(bytes)?;
    let mut int =
        |name: &str| i32::try_from(fields.long(name)?).map_err(|_| format!("{name} is not a whole number of 32 bits"));
    let (shard, shards) = (int("shard")?, int("shards")?);
    Ok(WatermarkMessage {
        shard,
        shards,
        complete_through: fields.instant("complete_through")?,
        observed_at: fields.instant("observed_at")?,
        wave: fields.long("wave")?,
        inputs_through: fields.instant("inputs_through")?,
        messages_from: fields.long("messages_from")?,
        watched_from: fields.long("watched_from")?,
        complete_wave: fields.long("complete_wave")?,
    })
}

/// A `Watermark`.
pub(crate) fn write_watermark(message: &WatermarkMessage) -> Value {
    json!({
        "shard": message.shard,
        "shards": message.shards,
        "complete_through": message.complete_through,
        "observed_at": message.observed_at,
        "wave": message.wave,
        "inputs_through": message.inputs_through,
        "messages_from": message.messages_from,
        "watched_from": message.watched_from,
        "complete_wave": message.complete_wave,
    })
}

/// A `Decision`, as fields: whoever reads it hands it on.
pub(crate) fn decision(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    record(bytes).map(|fields| fields.0)
}

/// A `Decision`.
pub(crate) fn write_decision(message: &DecisionMessage<'_>) -> Value {
    let subject = message.subject.as_ref();
    json!({
        "decision_id": message.decision_id,
        "decided_at": message.decided_at,
        "decision": message.decision,
        "reason": message.reason,
        "subject": subject.map(|(identifier_type, value)| json!({ "type": identifier_type, "value": value })),
        "action": message.action,
        "system": message.system,
        "right": message.right,
        "choice_id": message.choice_id,
        "since": message.since,
        "inherited": message.inherited,
        "as_of": message.as_of,
        "staleness_ms": message.staleness_ms,
        "obligation": message.obligation,
        "significant_decision": message.significant_decision,
        "policy_version": message.policy_version,
        "policy_sha256": message.policy_sha256,
        "model_name": message.model_name,
        "model_version": message.model_version,
        "input_sha256": message.input_sha256,
        "request_id": message.request_id,
        "asked_by": message.asked_by,
        "software_version": message.software_version,
    })
}

/// A `Review`.
pub(crate) fn review(bytes: &[u8]) -> Result<ReviewMessage, String> {
    let mut fields = record(bytes)?;
    let subject = identifier(fields.take("subject")?, "subject")?;
    let resolution = fields.optional("resolution", |fields| match fields.take("resolution")? {
        Value::Object(resolution) => {
            let mut resolution = Fields(resolution);
            Ok(ResolutionMessage {
                at: resolution.instant("at")?,
                by: resolution.text("by")?,
                outcome: resolution.text("outcome")?,
                changed_proposal: resolution
                    .optional("changed_proposal", |fields| fields.boolean("changed_proposal"))?,
                note: resolution.optional_text("note")?,
            })
        }
        _ => Err("resolution is not an object".to_owned()),
    })?;
    Ok(ReviewMessage {
        review_id: fields.text("review_id")?,
        created_at: fields.instant("created_at")?,
        subject: NamedIdentifier::new(subject.identifier_type, subject.value),
        action: fields.text("action")?,
        system: fields.text("system")?,
        reason: fields.text("reason")?,
        right: fields.optional_text("right")?,
        choice_id: fields.optional_text("choice_id")?,
        since: fields.optional("since", |fields| fields.instant("since"))?,
        inherited: fields.optional("inherited", |fields| fields.boolean("inherited"))?,
        significant_decision: fields.optional_text("significant_decision")?,
        policy_version: fields.text("policy_version")?,
        policy_sha256: fields.text("policy_sha256")?,
        model_name: fields.optional_text("model_name")?,
        model_version: fields.optional_text("model_version")?,
        input_sha256: fields.optional_text("input_sha256")?,
        request_id: fields.optional_text("request_id")?,
        material: fields.optional_text("material")?,
        resolution,
    })
}

/// A `Review`.
pub(crate) fn write_review(message: &ReviewMessage) -> Value {
    let resolution = message.resolution.as_ref().map(|resolution| {
        json!({
            "by": resolution.by,
            "at": resolution.at,
            "outcome": resolution.outcome,
            "changed_proposal": resolution.changed_proposal,
            "note": resolution.note,
        })
    });
    json!({
        "review_id": message.review_id,
        "created_at": message.created_at,
        "subject": named(&message.subject),
        "action": message.action,
        "system": message.system,
        "reason": message.reason,
        "right": message.right,
        "choice_id": message.choice_id,
        "since": message.since,
        "inherited": message.inherited,
        "significant_decision": message.significant_decision,
        "policy_version": message.policy_version,
        "policy_sha256": message.policy_sha256,
        "model_name": message.model_name,
        "model_version": message.model_version,
        "input_sha256": message.input_sha256,
        "request_id": message.request_id,
        "material": message.material,
        "resolution": resolution,
    })
}
