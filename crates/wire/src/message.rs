//! Messages as the schemas have them, with all their fields.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quell_domain::{AckOutcome, Action};
use serde_json::{Map, Value};

use crate::json;

/// An identifier by its type's name and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedIdentifier {
    /// Its type.
    pub identifier_type: String,
    /// Its value.
    pub value: String,
}

impl NamedIdentifier {
    /// An identifier.
    pub fn new(identifier_type: impl Into<String>, value: impl Into<String>) -> Self {
        Self { identifier_type: identifier_type.into(), value: value.into() }
    }
}

/// `quell.v1.ChoiceEvent`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceMessage {
    /// Unique for ever.
    pub event_id: String,
    /// What was chosen.
    pub action: Action,
    /// The rights that it names.
    pub rights: Vec<String>,
    /// Where it was made.
    pub identifiers: Vec<NamedIdentifier>,
    /// When it was made.
    pub effective_at: i64,
    /// When it was received.
    pub received_at: i64,
    /// Who reports it.
    pub source: String,
    /// How it was made.
    pub channel: Option<String>,
    /// Under which law.
    pub jurisdiction: Option<String>,
    /// For the audit.
    pub attributes: BTreeMap<String, String>,
}

/// `quell.v1.LinkEvent`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkMessage {
    /// Unique for ever.
    pub event_id: String,
    /// `LINK`, or `UNLINK`.
    pub holds: bool,
    /// One end.
    pub a: NamedIdentifier,
    /// The other.
    pub b: NamedIdentifier,
    /// When it was seen.
    pub observed_at: i64,
    /// Who reports it.
    pub source: String,
    /// For the audit.
    pub attributes: BTreeMap<String, String>,
}

/// `quell.v1.SuppressionAck`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckMessage {
    /// Who says it.
    pub downstream: String,
    /// Of whom.
    pub identifier: NamedIdentifier,
    /// The highest version applied.
    pub version: i64,
    /// Whether it was.
    pub outcome: AckOutcome,
    /// When.
    pub applied_at: i64,
    /// In words.
    pub detail: Option<String>,
}

/// `quell.v1.RightState`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightMessage {
    /// Whether it is opted out.
    pub opted_out: bool,
    /// The choice that is named.
    pub choice_id: String,
    /// When it was made.
    pub since: i64,
    /// Whether it was made elsewhere.
    pub inherited: bool,
    /// By when it must have been applied.
    pub due_at: i64,
}

/// `quell.v1.Suppression`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionMessage {
    /// Whose state it is.
    pub identifier: NamedIdentifier,
    /// Who is told.
    pub downstream: String,
    /// Grows with every message for this identifier.
    pub version: i64,
    /// Whether any right is opted out.
    pub suppressed: bool,
    /// By right.
    pub rights: BTreeMap<String, RightMessage>,
    /// When the engine decided it.
    pub published_at: i64,
}

/// `quell.v1.Watermark`. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkMessage {
    /// Which shard.
    pub shard: i32,
    /// How many there are.
    pub shards: i32,
    /// Every input event that was in the input topics then is in the suppressions.
    pub complete_through: i64,
    /// When this was written.
    pub observed_at: i64,
    /// The wave that it belongs to.
    pub wave: i64,
    /// When that wave looked how far the shard's inputs go; they have been read so far.
    pub inputs_through: i64,
    /// The lowest wave of the messages that the shard took in since its last.
    pub messages_from: i64,
    /// The first wave that the shard has watched from its beginning.
    pub watched_from: i64,
    /// The wave that `complete_through` is of.
    pub complete_wave: i64,
}

/// `quell.v1.Decision`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionMessage<'a> {
    /// Unique for ever.
    pub decision_id: &'a str,
    /// When it was made.
    pub decided_at: i64,
    /// Whether it may go on.
    pub decision: bool,
    /// Why.
    pub reason: &'a str,
    /// Whom it is about: type and value.
    pub subject: Option<(&'a str, Cow<'a, str>)>,
    /// What was asked for.
    pub action: &'a str,
    /// Which system it was asked for.
    pub system: &'a str,
    /// The right that is opted out.
    pub right: Option<&'a str>,
    /// The choice that is named for it.
    pub choice_id: Option<&'a str>,
    /// When it was made.
    pub since: Option<i64>,
    /// Whether it was made elsewhere.
    pub inherited: Option<bool>,
    /// Up to when every opt-out is in it.
    pub as_of: Option<i64>,
    /// How long ago that was.
    pub staleness_ms: Option<i64>,
    /// What the caller was told to do.
    pub obligation: Option<&'a str>,
    /// Which significant decision the system makes.
    pub significant_decision: Option<&'a str>,
    /// The policy that held.
    pub policy_version: &'a str,
    /// The SHA-256 of its text.
    pub policy_sha256: &'a str,
    /// The model, as the caller gave it.
    pub model_name: Option<&'a str>,
    /// Its version, as the caller gave it.
    pub model_version: Option<&'a str>,
    /// The SHA-256 of its input, as the caller gave it.
    pub input_sha256: Option<&'a str>,
    /// The caller's own name for the request.
    pub request_id: Option<&'a str>,
    /// The form in which it was asked.
    pub asked_by: &'a str,
    /// The version of Quell.
    pub software_version: &'a str,
}

/// `quell.v1.Review`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewMessage {
    /// The id of the decision that ended in it.
    pub review_id: String,
    /// When that was.
    pub created_at: i64,
    /// Whom it is about.
    pub subject: NamedIdentifier,
    /// What was asked for.
    pub action: String,
    /// Which system it was asked for.
    pub system: String,
    /// Why the gate left it to a human.
    pub reason: String,
    /// The right that is opted out.
    pub right: Option<String>,
    /// The choice that is named for it.
    pub choice_id: Option<String>,
    /// When it was made.
    pub since: Option<i64>,
    /// Whether it was made elsewhere.
    pub inherited: Option<bool>,
    /// Which significant decision the system makes.
    pub significant_decision: Option<String>,
    /// The policy that held.
    pub policy_version: String,
    /// The SHA-256 of its text.
    pub policy_sha256: String,
    /// The model, as the caller gave it.
    pub model_name: Option<String>,
    /// Its version, as the caller gave it.
    pub model_version: Option<String>,
    /// The SHA-256 of its input, as the caller gave it.
    pub input_sha256: Option<String>,
    /// The caller's own name for the request.
    pub request_id: Option<String>,
    /// What the caller marked for the human: a JSON object, as it was given.
    pub material: Option<String>,
    /// How a human has decided; none while it is pending.
    pub resolution: Option<ResolutionMessage>,
}

/// `quell.v1.Resolution`. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResolutionMessage {
    /// When.
    pub at: i64,
    /// Who.
    pub by: String,
    /// How.
    pub outcome: String,
    /// Whether otherwise than the machine had proposed, if it had.
    pub changed_proposal: Option<bool>,
    /// Why.
    pub note: Option<String>,
}

impl DecisionMessage<'_> {
    /// By the names of its fields, as its JSON form has them.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        match json::write_decision(self) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}
