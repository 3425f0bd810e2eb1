//! What is known of one identifier, as `GET /v1/identifiers/{type}/{value}` tells it.
//!
//! Times are milliseconds since 1970, as in every JSON that Quell writes. A field may be added, none is renamed.

use serde::{Deserialize, Serialize};

/// An identifier by its type and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedIdentifier {
    /// Its type.
    #[serde(rename = "type")]
    pub identifier_type: String,
    /// Its value. A raw e-mail address is never known, only its hash.
    pub value: String,
}

/// What is known of one identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The identifier, as it is stored.
    pub identifier: NamedIdentifier,
    /// Whether it has more neighbours than `max_neighbours` allows: then nothing passes through it.
    pub hub: bool,
    /// Its links; those that were withdrawn, too.
    pub edges: Vec<Edge>,
    /// How many more there are than `edges` shows.
    pub edges_left_out: u64,
    /// What was chosen at the identifier itself, by right.
    pub own_choices: Vec<OwnChoice>,
    /// What holds for it, by right, and why.
    pub rights: Vec<EffectiveRight>,
    /// What each downstream was sent.
    pub deliveries: Vec<Delivery>,
    /// Relaxations that wait to be published.
    pub held: Vec<HeldRelaxation>,
}

/// A link to another identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The other end.
    pub identifier: NamedIdentifier,
    /// Whether it holds; else it was withdrawn.
    pub holds: bool,
    /// When it was last seen, or withdrawn.
    pub observed_at: i64,
}

/// The choice that holds at the identifier itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnChoice {
    /// The right.
    pub right: String,
    /// Opted out, or in.
    pub opted_out: bool,
    /// The choice's `event_id`.
    pub choice_id: String,
    /// When the consumer made it.
    pub effective_at: i64,
    /// When the business received it.
    pub received_at: i64,
}

/// What holds for a right, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveRight {
    /// The right.
    pub right: String,
    /// Opted out, or in.
    pub opted_out: bool,
    /// The `event_id` of a choice that brought it about.
    pub choice_id: String,
    /// That choice's `effective_at`.
    pub since: i64,
    /// When a downstream must have applied it.
    pub due_at: i64,
    /// Whether that choice does not name this identifier.
    pub inherited: bool,
    /// From this identifier to the one at which the choice was made. Ends with a step without `via`; if it does not, it
    /// goes on at an identifier of another instance.
    pub cause_chain: Vec<CauseStep>,
    /// What the downstreams were last told; none if they were told nothing of it yet.
    pub published: Option<PublishedRight>,
}

/// A step of a cause chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseStep {
    /// Who has the choice.
    pub identifier: NamedIdentifier,
    /// From which neighbour; none if the choice was made at it.
    pub via: Option<NamedIdentifier>,
}

/// What the downstreams were last told of a right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRight {
    /// Opted out, or in.
    pub opted_out: bool,
    /// The choice that was named.
    pub choice_id: String,
    /// Whether it was said to be another identifier's.
    pub inherited: bool,
}

/// What one downstream was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The downstream.
    pub downstream: String,
    /// The version of its last suppression.
    pub version: u64,
    /// When that was decided.
    pub published_at: i64,
    /// The highest version that it acknowledged; none if it never did.
    pub acknowledged_version: Option<u64>,
}

/// A relaxation that waits: the right is no longer opted out, and the downstreams are not told yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRelaxation {
    /// The right.
    pub right: String,
    /// When it is published, if it holds until then.
    pub until: i64,
    /// Why: `opt_in`, `unlink`, `hub` or `policy`.
    pub cause: String,
}
