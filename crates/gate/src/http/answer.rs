//! Answers as JSON.

use axum::http::StatusCode;
use quell_certificate::Certificate;
use quell_decision::{Obligation, Rules};
use serde::Serialize;

use crate::certificates::Uncertified;
use crate::gate::Decided;

const STALE: &str = "what the gate knows is too old to decide; ask again later";

/// What an enforcement point is told. Times in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    pub decision: bool,
    pub context: Context<'a>,
}

/// `context`
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are decided, and a box for each would be made on every answer"
)]
pub(super) enum Context<'a> {
    Decided(Details<'a>),
    Broken { error: Error<'a> },
}

/// A question of several that is none, or that could not be decided.
#[derive(Debug, Serialize)]
pub(super) struct Error<'a> {
    pub status: u16,
    pub message: &'a str,
}

/// What stands beside a decision.
#[derive(Debug, Serialize)]
pub(super) struct Details<'a> {
    pub reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    choice_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inherited: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    staleness_ms: Option<u64>,
    decision_id: &'a str,
    policy_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    obligations: Option<[Owed<'a>; 1]>,
    /// Among several there is no status to say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    #[serde(flatten)]
    certified: Option<Certified<'a>>,
}

/// What came of a certificate that was asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Certified<'a> {
    Made {
        certificate: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject_key: Option<String>,
    },
    Missing {
        certificate_error: String,
    },
}

/// An obligation, as the AuthZEN obligations profile has it.
#[derive(Debug, Serialize)]
struct Owed<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    obligation_type: &'static str,
    properties: OwedProperties<'a>,
}

#[derive(Debug, Serialize)]
struct OwedProperties<'a> {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_id: Option<&'a str>,
    /// Where the review is shown, to those who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    review_url: Option<String>,
}

/// Several answers.
#[derive(Debug, Serialize)]
pub(super) struct Answers<'a> {
    pub evaluations: Vec<Answer<'a>>,
}

impl<'a> Answer<'a> {
    /// The answer of a gate that callers find under a URL.
    pub fn decided(decided: &'a Decided<'_>, rules: &'a Rules, url: &str) -> Self {
        let verdict = &decided.verdict;
        let choice = verdict.choice.as_ref();
        let owed = |obligation: Obligation| {
            let review_id = decided.review_id();
            let review_url = review_id.map(|id| format!("{url}/v1/reviews/{id}"));
            let properties = OwedProperties { action: obligation.as_str(), review_id, review_url };
            [Owed { id: &decided.id_text, obligation_type: "custom", properties }]
        };
        let unsure = Error { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), message: STALE };
        let details = Details {
            reason: verdict.reason.as_str(),
            right: verdict.right.as_deref(),
            choice_id: choice.map(|choice| choice.id.as_str()),
            since: choice.map(|choice| choice.since.0),
            inherited: choice.map(|choice| choice.inherited),
            as_of: verdict.as_of.map(|as_of| as_of.0),
            staleness_ms: verdict.staleness_millis,
            decision_id: &decided.id_text,
            policy_version: rules.version(),
            obligations: verdict.obligation.map(owed),
            certified: decided.certificate.as_ref().map(Certified::of),
            error: verdict.is_error().then_some(unsure),
        };
        Self { decision: verdict.permits(), context: Context::Decided(details) }
    }

    pub fn broken(status: u16, message: &'a str) -> Self {
        Self { decision: false, context: Context::Broken { error: Error { status, message } } }
    }
}

impl<'a> Certified<'a> {
    fn of(certificate: &'a Result<Certificate, Uncertified>) -> Self {
        match certificate {
            Ok(Certificate { jws, subject_key }) => {
                Self::Made { certificate: jws, subject_key: subject_key.map(|key| key.reveal()) }
            }
            Err(why) => Self::Missing { certificate_error: why.to_string() },
        }
    }
}
