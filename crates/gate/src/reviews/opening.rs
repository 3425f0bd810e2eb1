//! The review that a decision ends in.

use quell_decision::Obligation;
use quell_wire::{DecisionMessage, NamedIdentifier, ReviewMessage};

/// The review of a decision that owes one. Its id is the decision's: a decision has one, however often its record is
/// delivered.
pub(crate) fn opened(
    decision: &DecisionMessage<'_>,
    owed: Option<Obligation>,
    material: Option<&str>,
) -> Option<ReviewMessage> {
    let (Some(Obligation::HumanReview), Some((identifier_type, value))) = (owed, &decision.subject) else {
        return None;
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Some(ReviewMessage {
        review_id: decision.decision_id.to_owned(),
        created_at: decision.decided_at,
        subject: NamedIdentifier::new(*identifier_type, value.clone()),
        action: decision.action.to_owned(),
        system: decision.system.to_owned(),
        reason: decision.reason.to_owned(),
        right: owned(decision.right),
        choice_id: owned(decision.choice_id),
        since: decision.since,
        inherited: decision.inherited,
        significant_decision: owned(decision.significant_decision),
        policy_version: decision.policy_version.to_owned(),
        policy_sha256: decision.policy_sha256.to_owned(),
        model_name: owned(decision.model_name),
        model_version: owned(decision.model_version),
        input_sha256: owned(decision.input_sha256),
        request_id: owned(decision.request_id),
        material: owned(material),
        resolution: None,
    })
}
