//! What the gate holds to: the systems that decide about consumers (`[admt_systems.<name>]`), what is done with them
//! (`[actions.<name>]`), and what certificates tell of it (`[certificates]`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::raw::{RawAction, RawAdmtSystem, RawCertificates};
use super::{ADMT, ADMT_SYSTEM, PolicyError, RightPolicy};
use crate::duration::parse_duration;
use crate::nearest::nearest;
use crate::right::{Right, RightSet};

/// How old an answer may be where a system does not say. The engine says at least once a second how far it has come, so
/// that only an outage takes longer.
const MAX_STALENESS: Duration = Duration::from_secs(60);

/// The actions where the policy names none, and the rights that they need. Training also takes up what the consumer has
/// not let be used beyond what they asked for.
const ACTIONS: [(&str, &[&str]); 2] = [("infer", &[ADMT]), ("train", &[ADMT, "sensitive_pi"])];

/// A system that makes decisions about consumers, or a person's decisions for the most part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmtSystem {
    /// Its name, as `rights.admt.systems` declares it.
    pub name: String,
    /// `admt:<name>`
    pub right: Right,
    /// Beyond this the gate does not know whether a consumer has opted out.
    pub max_staleness: Duration,
    /// What it answers then.
    pub on_stale: OnStale,
    /// What is done instead of an inference.
    pub alternative: Alternative,
    /// What it decides; none if it is nothing significant.
    pub significant_decision: Option<SignificantDecision>,
    /// What an opt-out brings about.
    pub opt_out: OptOut,
    /// When a human has to look.
    pub escalate: Escalate,
    /// Whether somebody of whom nothing is known may be decided about.
    pub unknown_subject: UnknownSubject,
}

/// What the gate answers when it cannot know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnStale {
    /// A deny. The default: it needs nothing of who asks.
    #[default]
    Deny,
    /// An error, 503: who asks may try elsewhere, or later.
    Error,
}

/// What is done instead of an inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alternative {
    /// A human decides.
    HumanReview,
    /// Fixed rules decide, without a model.
    RulesOnly,
    /// Nothing: the consumer is not served so.
    #[default]
    None,
}

/// The significant decisions of 11 CCR 7001(ddd).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignificantDecision {
    /// Financial or lending services.
    FinancialOrLending,
    /// Housing.
    Housing,
    /// Education enrollment or opportunities.
    Education,
    /// Employment or independent contracting opportunities or compensation.
    Employment,
    /// Healthcare services.
    Healthcare,
}

/// What an opt-out brings about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptOut {
    /// No inference.
    #[default]
    Required,
    /// The business relies on the exception for human appeals (11 CCR 7221(b)(1)): the inference may be made, and the
    /// consumer must be able to appeal to a human who can overturn it.
    Appeal,
}

/// When a human has to look before anything is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escalate {
    /// At every significant decision.
    Always,
    /// When who asks says so.
    #[default]
    OnRequest,
    /// Never, whoever asks.
    Never,
}

/// Whether somebody of whom nothing is known may be decided about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownSubject {
    /// Nobody has opted them out.
    #[default]
    Permit,
    /// Only those who have opted in, or chosen anything else.
    Deny,
}

/// How a decision's certificate names whom it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CertificateSubject {
    /// As a hash under a key: it says nothing to whoever finds it.
    #[default]
    KeyedHash,
    /// By the identifier itself.
    Plain,
}

/// An action on a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateAction {
    /// Its name, as it is asked for.
    pub name: String,
    /// Whether the right `admt:<system>` of the system that is asked for counts; `admt` covers it.
    pub admt: bool,
    /// Further rights that none of may be opted out of.
    pub rights: RightSet,
}

/// A value that stands in files by its name.
trait Named: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
}

macro_rules! named {
    ($type:ty { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl Named for $type {
            const ALL: &'static [(&'static str, Self)] = &[$(($name, Self::$variant)),+];
        }
        impl $type {
            /// As it stands in the policy, and in answers.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

named!(OnStale { Deny = "deny", Error = "error" });
named!(Alternative { HumanReview = "human_review", RulesOnly = "rules_only", None = "none" });
named!(SignificantDecision {
    FinancialOrLending = "financial_or_lending_services",
    Housing = "housing",
    Education = "education_enrollment_or_opportunities",
    Employment = "employment_or_contracting_opportunities_or_compensation",
    Healthcare = "healthcare_services",
});
named!(OptOut { Required = "required", Appeal = "appeal" });
named!(Escalate { Always = "always", OnRequest = "on_request", Never = "never" });
named!(UnknownSubject { Permit = "permit", Deny = "deny" });
named!(CertificateSubject { KeyedHash = "keyed_hash", Plain = "plain" });

/// The systems, in the order of their names: those that `rights.admt.systems` declares, each with what its table says.
pub(super) fn systems(
    raw: &BTreeMap<String, RawAdmtSystem>,
    rights: &[RightPolicy],
) -> Result<Vec<AdmtSystem>, PolicyError> {
    let declared: Vec<(&str, Right)> = (0..)
        .map(Right)
        .zip(rights)
        .filter_map(|(right, known)| Some((known.name.strip_prefix(ADMT_SYSTEM)?, right)))
        .collect();
    if let Some(name) = raw.keys().find(|name| !declared.iter().any(|(known, _)| known == name)) {
        let meant = nearest(name, declared.iter().map(|(known, _)| *known));
        let meant = meant.map_or_else(|| "declare it there".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
        return Err(PolicyError(format!("admt_systems.{name}: rights.admt.systems does not have it; {meant}")));
    }
    let undescribed = RawAdmtSystem::default();
    declared.into_iter().map(|(name, right)| system(name, right, raw.get(name).unwrap_or(&undescribed))).collect()
}

fn system(name: &str, right: Right, raw: &RawAdmtSystem) -> Result<AdmtSystem, PolicyError> {
    let key = |key: &str| format!("admt_systems.{name}.{key}");
    let system = AdmtSystem {
        name: name.to_owned(),
        right,
        max_staleness: match &raw.max_staleness {
            None => MAX_STALENESS,
            Some(text) => {
                parse_duration(text).map_err(|error| PolicyError(format!("{}: {error}", key("max_staleness"))))?
            }
        },
        on_stale: chosen(&key("on_stale"), raw.on_stale.as_deref())?.unwrap_or_default(),
        alternative: chosen(&key("alternative"), raw.alternative.as_deref())?.unwrap_or_default(),
        significant_decision: chosen(&key("significant_decision"), raw.significant_decision.as_deref())?,
        opt_out: chosen(&key("opt_out"), raw.opt_out.as_deref())?.unwrap_or_default(),
        escalate: chosen(&key("escalate"), raw.escalate.as_deref())?.unwrap_or_default(),
        unknown_subject: chosen(&key("unknown_subject"), raw.unknown_subject.as_deref())?.unwrap_or_default(),
    };
    if system.escalate == Escalate::Always && system.significant_decision.is_none() {
        let message = "\"always\" means every significant decision, and significant_decision does not say which it is";
        return Err(PolicyError(format!("{}: {message}", key("escalate"))));
    }
    Ok(system)
}

fn chosen<T: Named>(place: &str, name: Option<&str>) -> Result<Option<T>, PolicyError> {
    let Some(name) = name else { return Ok(None) };
    if let Some((_, value)) = T::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*value));
    }
    let known: Vec<String> = T::ALL.iter().map(|(known, _)| format!("\"{known}\"")).collect();
    Err(PolicyError(format!("{place}: \"{name}\" is none of {}", known.join(", "))))
}

pub(super) fn certificate_subject(raw: &RawCertificates) -> Result<CertificateSubject, PolicyError> {
    Ok(chosen("certificates.subject", raw.subject.as_deref())?.unwrap_or_default())
}

/// The actions, in the order of their names.
pub(super) fn actions(
    raw: &BTreeMap<String, RawAction>,
    rights: &[RightPolicy],
) -> Result<Vec<GateAction>, PolicyError> {
    let right_of =
        |name: &str| (0..).map(Right).zip(rights).find(|(_, known)| known.name == name).map(|(right, _)| right);
    let mut actions = Vec::new();
    // Of the actions that nobody has written down, a right counts if there is one.
    for (name, needed) in ACTIONS.into_iter().filter(|(name, _)| !raw.contains_key(*name)) {
        let others = needed.iter().filter(|needed| **needed != ADMT).filter_map(|needed| right_of(needed));
        actions.push(GateAction { name: name.to_owned(), admt: true, rights: others.collect() });
    }
    for (name, written) in raw {
        super::resolve::named("actions", name)?;
        let mut action = GateAction { name: name.clone(), admt: false, rights: RightSet::EMPTY };
        for needed in &written.rights {
            match right_of(needed) {
                Some(_) if needed == ADMT => action.admt = true,
                Some(right) => action.rights.insert(right),
                None => {
                    let place = format!("actions.{name}.rights");
                    return Err(super::resolve::unknown(
                        &place,
                        needed,
                        rights.iter().map(|known| known.name.as_str()),
                    ));
                }
            }
        }
        if written.rights.is_empty() {
            return Err(PolicyError(format!("actions.{name}.rights: is empty; name what must not be opted out of")));
        }
        actions.push(action);
    }
    actions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(actions)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::policy::Policy;

    const BEFORE: &str = r#"
        version = "1"
        [identifier_types.account_id]
        [rights.sensitive_pi]
        [rights.admt]
        systems = ["hiring", "credit"]
    "#;

    fn policy(tables: &str) -> Policy {
        Policy::parse(&format!("{BEFORE}{tables}")).unwrap()
    }

    fn refused(tables: &str) -> String {
        Policy::parse(&format!("{BEFORE}{tables}")).unwrap_err().to_string()
    }

    #[test]
    fn a_system_is_what_its_table_says() {
        let policy = policy(
            r#"
            [admt_systems.hiring]
            max_staleness = "5s"
            on_stale = "error"
            alternative = "human_review"
            significant_decision = "employment_or_contracting_opportunities_or_compensation"
            opt_out = "appeal"
            escalate = "always"
            unknown_subject = "deny"
            "#,
        );
        let hiring = policy.admt_system("hiring").unwrap();
        assert_eq!(hiring.max_staleness, Duration::from_secs(5));
        assert_eq!(policy.right_name(hiring.right), "admt:hiring");
        assert_eq!((hiring.on_stale, hiring.alternative), (OnStale::Error, Alternative::HumanReview));
        assert_eq!(hiring.significant_decision, Some(SignificantDecision::Employment));
        assert_eq!((hiring.opt_out, hiring.escalate), (OptOut::Appeal, Escalate::Always));
        assert_eq!(hiring.unknown_subject, UnknownSubject::Deny);
    }

    #[test]
    fn a_declared_system_without_a_table_is_held_to_the_strict_defaults() {
        let policy = policy("");
        let credit = policy.admt_system("credit").unwrap();
        assert_eq!((credit.max_staleness, credit.on_stale), (MAX_STALENESS, OnStale::Deny));
        assert_eq!((credit.alternative, credit.opt_out), (Alternative::None, OptOut::Required));
        assert_eq!((credit.escalate, credit.unknown_subject), (Escalate::OnRequest, UnknownSubject::Permit));
        assert!(policy.admt_system("pricing").is_none());
    }

    #[test]
    fn training_needs_sensitive_pi_as_well_unless_the_policy_says_otherwise() {
        let names = |policy: &Policy, action: &str| -> (bool, Vec<String>) {
            let action = policy.gate_action(action).unwrap();
            (action.admt, action.rights.iter().map(|right| policy.right_name(right).to_owned()).collect())
        };
        let by_default = policy("");
        assert_eq!(names(&by_default, "infer"), (true, vec![]));
        assert_eq!(names(&by_default, "train"), (true, vec!["sensitive_pi".to_owned()]));
        assert!(by_default.gate_action("explain").is_none());
        let written = policy("[actions.train]\nrights = [\"admt\"]\n[actions.score]\nrights = [\"sensitive_pi\"]");
        assert_eq!(names(&written, "train"), (true, vec![]));
        assert_eq!(names(&written, "infer"), (true, vec![]));
        assert_eq!(names(&written, "score"), (false, vec!["sensitive_pi".to_owned()]));
    }

    #[test]
    fn certificates_do_not_name_anybody_unless_the_policy_says_so() {
        assert_eq!(policy("").certificate_subject(), CertificateSubject::KeyedHash);
        assert_eq!(policy("[certificates]\nsubject = \"plain\"").certificate_subject(), CertificateSubject::Plain);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_meant() {
        insta::assert_snapshot!(refused("[admt_systems.hirring]"), @r#"admt_systems.hirring: rights.admt.systems does not have it; did you mean "hiring"?"#);
        insta::assert_snapshot!(refused("[admt_systems.recommendations]"), @"admt_systems.recommendations: rights.admt.systems does not have it; declare it there");
        insta::assert_snapshot!(refused("[admt_systems.hiring]\nmax_stalenes = \"5s\""), @"line 8: unknown field `max_stalenes`, expected one of `max_staleness`, `on_stale`, `alternative`, `significant_decision`, `opt_out`, `escalate`, `unknown_subject`; did you mean `max_staleness`?");
        insta::assert_snapshot!(refused("[admt_systems.hiring]\nmax_staleness = \"soon\""), @r#"admt_systems.hiring.max_staleness: "soon" is not a duration; write a number and ms, s, m, h or d, as in "10s""#);
        insta::assert_snapshot!(refused("[admt_systems.hiring]\nalternative = \"human\""), @r#"admt_systems.hiring.alternative: "human" is none of "human_review", "rules_only", "none""#);
        insta::assert_snapshot!(refused("[admt_systems.hiring]\nescalate = \"always\""), @r#"admt_systems.hiring.escalate: "always" means every significant decision, and significant_decision does not say which it is"#);
        insta::assert_snapshot!(refused("[actions.infer]\nrights = [\"adm\"]"), @r#"actions.infer.rights: "adm" is not declared; did you mean "admt"?"#);
        insta::assert_snapshot!(refused("[certificates]\nsubject = \"hash\""), @r#"certificates.subject: "hash" is none of "keyed_hash", "plain""#);
        insta::assert_snapshot!(refused("[actions.infer]\nrights = []"), @"actions.infer.rights: is empty; name what must not be opted out of");
    }

    #[test]
    fn what_the_gate_holds_to_is_nothing_to_stored_state() {
        let tables = "[admt_systems.hiring]\nalternative = \"rules_only\"\n[actions.infer]\nrights = [\"admt\"]";
        assert_eq!(policy("").fingerprint(), policy(tables).fingerprint());
    }
}
