//! The decision: a question, what is known, and what follows.
//!
//! The first of these that holds is the answer:
//!
//! 1. the resource is no system (`unknown_resource_type`), or none that the policy declares (`unknown_system`);
//! 2. the policy declares no such action (`unknown_action`);
//! 3. the identifier's type is not one that the gate is told of (`unknown_identifier_type`), or the identifier can be
//!    nobody's (`invalid_identifier`);
//! 4. the consumer is opted out of a right that the action needs (`suppressed`): an opt-out in hand counts, however old
//!    everything else is;
//! 5. what is known is too old (`stale`);
//! 6. nothing is known of the consumer, and the system takes nobody like that (`unknown_subject`);
//! 7. a human has to look (`needs_review`);
//! 8. the consumer is opted out, and the system's business offers an appeal instead (`appeal`): a permit;
//! 9. nothing stands against it (`clear`): a permit.

use std::hash::BuildHasher;

use quell_domain::{
    ADMT, AdmtSystem, Alternative, Escalate, GateAction, Identifier, Millis, OnStale, OptOut, UnknownSubject,
};

use crate::reason::Reason;
use crate::rules::{Need, Rules};
use crate::state::{RightStanding, State};
use crate::suppressions::{FullRecords, Look, Suppressions};

/// Whom a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An identifier, as the engine knows it.
    Identified(Identifier),
    /// One of a type that the policy does not declare, or that the gate is not told of.
    UnknownType,
    /// One that can be nobody's.
    Invalid,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// About whom.
    pub subject: &'a Subject,
    /// What the resource is.
    pub resource_type: &'a str,
    /// By which system.
    pub system: &'a str,
    /// What it would do.
    pub action: &'a str,
    /// Whether who asks wants a human to look.
    pub wants_review: bool,
}

/// How old what is known is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Up to when every opt-out is known; none if nobody says. Taken before the look, never after.
    pub as_of: Option<Millis>,
    /// The time, by the [`crate::Timeline`].
    pub now: Millis,
}

/// What who asked has to do beside, or instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obligation {
    /// Have a human decide.
    HumanReview,
    /// Decide by fixed rules.
    RulesOnly,
    /// Let the consumer appeal to a human.
    HumanAppeal,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Why; says whether it is a permit, too.
    pub reason: Reason,
    /// The system, if it is known.
    pub system: Option<&'a AdmtSystem>,
    /// The right that is opted out.
    pub right: Option<String>,
    /// The choice that is named for it; none if its record cannot be read.
    pub choice: Option<NamedChoice>,
    /// Up to when every opt-out is in this answer.
    pub as_of: Option<Millis>,
    /// How long ago that was.
    pub staleness_millis: Option<u64>,
    /// What is owed.
    pub obligation: Option<Obligation>,
}

/// A choice that brought an opt-out about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedChoice {
    /// Its event's id.
    pub id: String,
    /// When it was made.
    pub since: Millis,
    /// Whether it was made at another identifier.
    pub inherited: bool,
}

impl Freshness {
    fn staleness_millis(self) -> Option<u64> {
        let age = self.now.0.saturating_sub(self.as_of?.0);
        Some(u64::try_from(age).unwrap_or(0))
    }

    fn is_stale_for(self, system: &AdmtSystem) -> bool {
        self.staleness_millis().is_none_or(|millis| u128::from(millis) > system.max_staleness.as_millis())
    }
}

impl Verdict<'_> {
    /// Whether it may go on.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.reason.permits()
    }

    /// Whether it is to be answered by an error, and not by a deny.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.reason == Reason::Stale && self.system.is_some_and(|system| system.on_stale == OnStale::Error)
    }
}

impl Obligation {
    /// As it stands in answers: the `action` of a `custom` obligation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HumanReview => "human_review",
            Self::RulesOnly => "rules_only",
            Self::HumanAppeal => "human_appeal",
        }
    }
}

/// Decides.
pub fn decide<'a, S: BuildHasher>(
    rules: &'a Rules,
    suppressions: &Suppressions<S>,
    records: &impl FullRecords,
    question: Question<'_>,
    freshness: Freshness,
) -> Verdict<'a> {
    let verdict = |reason, system, opted_out: Option<OptedOut>, obligation| Verdict {
        reason,
        system,
        right: opted_out.as_ref().map(|found| found.right.clone()),
        choice: opted_out.and_then(|found| found.choice),
        as_of: freshness.as_of,
        staleness_millis: freshness.staleness_millis(),
        obligation,
    };
    if !rules.is_system(question.resource_type) {
        return verdict(Reason::UnknownResourceType, None, None, None);
    }
    let Some((system_at, system)) = rules.system(question.system) else {
        return verdict(Reason::UnknownSystem, None, None, None);
    };
    let unanswerable = |reason| verdict(reason, Some(system), None, None);
    let Some((action_at, action)) = rules.action(question.action) else { return unanswerable(Reason::UnknownAction) };
    let Some(need) = rules.need(action_at, system_at) else { return unanswerable(Reason::UnknownAction) };
    let identifier = match question.subject {
        Subject::Identified(identifier) => identifier,
        Subject::UnknownType => return unanswerable(Reason::UnknownIdentifierType),
        Subject::Invalid => return unanswerable(Reason::InvalidIdentifier),
    };

    let must_be_known = system.unknown_subject == UnknownSubject::Deny;
    let look = suppressions.look(identifier, need.others.union(need.admt), must_be_known, records);
    let is_known = look != Look::Nothing;
    let opted_out = opted_out(rules, system, action, need, look);
    let alternative = alternative(system);
    match opted_out {
        Some(found) if !found.may_appeal => verdict(Reason::Suppressed, Some(system), Some(found), alternative),
        // An error is to be asked again: nothing is to be done instead yet.
        _ if freshness.is_stale_for(system) => {
            let alternative = alternative.filter(|_| system.on_stale == OnStale::Deny);
            verdict(Reason::Stale, Some(system), None, alternative)
        }
        _ if must_be_known && !is_known => verdict(Reason::UnknownSubject, Some(system), None, alternative),
        found if escalates(system, question) => {
            verdict(Reason::NeedsReview, Some(system), found, Some(Obligation::HumanReview))
        }
        Some(found) => verdict(Reason::Appeal, Some(system), Some(found), Some(Obligation::HumanAppeal)),
        None => verdict(Reason::Clear, Some(system), None, None),
    }
}

fn alternative(system: &AdmtSystem) -> Option<Obligation> {
    match system.alternative {
        Alternative::HumanReview => Some(Obligation::HumanReview),
        Alternative::RulesOnly => Some(Obligation::RulesOnly),
        Alternative::None => None,
    }
}

fn escalates(system: &AdmtSystem, question: Question<'_>) -> bool {
    match system.escalate {
        Escalate::Always => true,
        Escalate::OnRequest => question.wants_review,
        Escalate::Never => false,
    }
}

/// A right that is needed, and opted out.
struct OptedOut {
    right: String,
    choice: Option<NamedChoice>,
    /// Whether it is one of those that an appeal makes up for.
    may_appeal: bool,
}

/// Which opt-out stands against an action. One that an appeal does not make up for comes first, then the system's own.
fn opted_out(rules: &Rules, system: &AdmtSystem, action: &GateAction, need: Need, look: Look) -> Option<OptedOut> {
    let may_appeal = system.opt_out == OptOut::Appeal;
    let own = rules.right_name(system);
    let state = match look {
        Look::Nothing => return None,
        // Q1: what cannot be read is opted out of all that it may be opted out of.
        Look::Unreadable(rights) => {
            let beyond_appeal = rights.0 & need.others.0 != 0;
            let right = if rights.0 & need.admt.0 != 0 { Some(own.to_owned()) } else { None };
            let right = right.or_else(|| rules.name_among(action.rights)).unwrap_or_default();
            return Some(OptedOut { right, choice: None, may_appeal: may_appeal && !beyond_appeal });
        }
        Look::Found(state) => state,
    };
    let State { rights, .. } = state;
    let rank = |right: &RightStanding| -> Option<u8> {
        let beyond_appeal = rules.is_among(action.rights, &right.name);
        let rank = match (beyond_appeal, action.admt) {
            _ if !right.opted_out => return None,
            // Q1: what cannot be understood is no case for an appeal.
            _ if right.name == RightStanding::EVERY => return Some(0),
            (_, true) if right.name == own => 1,
            (_, true) if right.name == ADMT => 2,
            (true, _) => 3,
            (false, _) => return None,
        };
        Some(if beyond_appeal && may_appeal { 0 } else { rank })
    };
    let (rank, right) =
        rights.into_iter().filter_map(|right| Some((rank(&right)?, right))).min_by_key(|(rank, _)| *rank)?;
    let choice = NamedChoice { id: right.choice_id, since: right.since, inherited: right.inherited };
    Some(OptedOut { right: right.name, choice: Some(choice), may_appeal: may_appeal && matches!(rank, 1 | 2) })
}
