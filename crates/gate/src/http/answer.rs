//! Answers as JSON.

use quell_decision::{Obligation, Rules};
use serde::Serialize;

use crate::gate::Decided;

/// What an enforcement point is told. Times in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    pub decision: bool,
    pub context: Context<'a>,
}

/// `context`
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Context<'a> {
    Decided(Details<'a>),
    Broken { error: Error<'a> },
}

/// A question of several that is none.
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
}

/// An obligation, as the AuthZEN obligations profile has it.
#[derive(Debug, Serialize)]
struct Owed<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    obligation_type: &'static str,
    properties: OwedProperties,
}

#[derive(Debug, Serialize)]
struct OwedProperties {
    action: &'static str,
}

/// Several answers.
#[derive(Debug, Serialize)]
pub(super) struct Answers<'a> {
    pub evaluations: Vec<Answer<'a>>,
}

impl<'a> Answer<'a> {
    pub fn decided(decided: &'a Decided<'_>, rules: &'a Rules) -> Self {
        let verdict = &decided.verdict;
        let choice = verdict.choice.as_ref();
        let owed = |obligation: Obligation| {
            let properties = OwedProperties { action: obligation.as_str() };
            [Owed { id: &decided.id_text, obligation_type: "custom", properties }]
        };
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
        };
        Self { decision: verdict.permits(), context: Context::Decided(details) }
    }

    pub fn broken(status: u16, message: &'a str) -> Self {
        Self { decision: false, context: Context::Broken { error: Error { status, message } } }
    }
}
