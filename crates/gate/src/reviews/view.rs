//! Reviews as they are shown and resolved over HTTP. Times in milliseconds since 1970.

use quell_http::NamedIdentifier;
use quell_wire::{ResolutionMessage, ReviewMessage};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// Whether a human has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Not yet.
    #[default]
    Pending,
    /// They have.
    Resolved,
}

/// A review.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// The id of the decision that ended in it.
    pub review_id: String,
    /// Whether a human has decided.
    pub state: ReviewState,
    /// When it was opened.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// The choice that is named for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice_id: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Whether it was made at another identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherited: Option<bool>,
    /// Which significant decision the system makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub significant_decision: Option<String>,
    /// The policy that held.
    pub policy_version: String,
    /// The SHA-256 of its text.
    pub policy_sha256: String,
    /// The model, as the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// Its version, as the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// The SHA-256 of its input, as the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<String>,
    /// The caller's own name for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What the caller marked for the human, as it was given; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<Box<RawValue>>,
    /// How a human has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
}

/// How a human has decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who.
    pub by: String,
    /// When.
    pub at: i64,
    /// `granted`, `refused` or `dismissed`.
    pub outcome: String,
    /// Whether otherwise than the machine had proposed, if it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_proposal: Option<bool>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Some reviews, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewList {
    /// They.
    pub reviews: Vec<Review>,
    /// Whether there are more behind the last: ask for those `after` its id.
    pub more: bool,
}

/// What somebody resolves a review by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolving {
    /// Who.
    pub by: String,
    /// `granted`, `refused` or `dismissed`.
    pub outcome: String,
    /// Whether they decide otherwise than the machine had proposed; to be said if it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_proposal: Option<bool>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Review {
    /// All of it.
    pub(crate) fn whole(review: &ReviewMessage) -> Self {
        // What is no JSON, which no gate records, is shown as a text.
        let raw = |text: &String| RawValue::from_string(text.clone()).or_else(|_| to_raw_value(text)).ok();
        Self { material: review.material.as_ref().and_then(raw), ..Self::in_list(review) }
    }

    /// What stands in a list.
    pub(crate) fn in_list(review: &ReviewMessage) -> Self {
        let review = review.clone();
        Self {
            review_id: review.review_id,
            state: if review.resolution.is_some() { ReviewState::Resolved } else { ReviewState::Pending },
            created_at: review.created_at,
            subject: NamedIdentifier { identifier_type: review.subject.identifier_type, value: review.subject.value },
            action: review.action,
            system: review.system,
            reason: review.reason,
            right: review.right,
            choice_id: review.choice_id,
            since: review.since,
            inherited: review.inherited,
            significant_decision: review.significant_decision,
            policy_version: review.policy_version,
            policy_sha256: review.policy_sha256,
            model_name: review.model_name,
            model_version: review.model_version,
            input_sha256: review.input_sha256,
            request_id: review.request_id,
            material: None,
            resolution: review.resolution.map(Resolution::from),
        }
    }
}

impl From<ResolutionMessage> for Resolution {
    fn from(message: ResolutionMessage) -> Self {
        let ResolutionMessage { at, by, outcome, changed_proposal, note } = message;
        Self { by, at, outcome, changed_proposal, note }
    }
}
