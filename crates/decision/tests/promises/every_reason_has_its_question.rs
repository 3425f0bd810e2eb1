//! One question for each reason, and what is answered beside it.

use quell_decision::{
    Change, Freshness, NamedChoice, Obligation, Question, Reason, Rules, RulesError, State, Subject, Suppressions,
    Verdict, decide,
};
use quell_domain::Millis;

use crate::copy::{MemoryCopy, account, holds};

pub const POLICY: &str = r#"
    version = "p-1"
    [identifier_types.account_id]
    blocked_values = ["nobody"]
    [identifier_types.device_id]
    [identifier_types.email_sha256]
    from = "email"
    [rights.sale]
    [rights.sensitive_pi]
    [rights.admt]
    systems = ["hiring", "credit", "pricing", "support"]
    [downstreams.ml]
    topic = "suppression.ml"
    rights = ["sensitive_pi", "admt", "admt:*"]
    identifier_types = ["account_id", "email_sha256"]
    [admt_systems.hiring]
    max_staleness = "10s"
    alternative = "human_review"
    significant_decision = "housing"
    [admt_systems.credit]
    max_staleness = "10s"
    opt_out = "appeal"
    on_stale = "error"
    significant_decision = "financial_or_lending_services"
    alternative = "rules_only"
    [admt_systems.pricing]
    max_staleness = "10s"
    unknown_subject = "deny"
    escalate = "never"
    [admt_systems.support]
    max_staleness = "10s"
    escalate = "always"
    significant_decision = "healthcare_services"
"#;

const NOW: Millis = Millis(1_000_000);
const FRESH: Freshness = Freshness { as_of: Some(Millis(NOW.0 - 300)), now: NOW };
const OLD: Freshness = Freshness { as_of: Some(Millis(NOW.0 - 10_001)), now: NOW };

struct Gate {
    suppressions: Suppressions,
    copy: MemoryCopy,
    rules: Rules,
}

impl Gate {
    fn new() -> Self {
        let suppressions = Suppressions::default();
        let rules = Rules::parse(POLICY, "f".to_owned(), "ml", "admt_system", suppressions.right_bits()).unwrap();
        let gate = Self { suppressions, copy: MemoryCopy::default(), rules };
        gate.hears("opted-out", 4, &[("admt", true), ("admt:hiring", true), ("admt:credit", true)]);
        gate.hears("of-hiring", 5, &[("admt:hiring", true)]);
        gate.hears("of-all", 6, &[("admt", true)]);
        gate.hears("sensitive", 7, &[("sensitive_pi", true)]);
        gate.hears("opted-in", 8, &[("admt", false), ("admt:hiring", false)]);
        gate
    }

    fn hears(&self, account_id: &str, version: i64, rights: &[(&str, bool)]) {
        let change = holds(&account(account_id), version, rights);
        let at = self.copy.append(&change);
        self.suppressions.apply(&change, at, &self.copy);
    }

    fn asked(&self, subject: (&str, &str), system: &str, action: &str, freshness: Freshness) -> Verdict<'_> {
        self.asked_of("admt_system", subject, system, action, false, freshness)
    }

    fn asked_of(
        &self,
        resource_type: &str,
        (identifier_type, value): (&str, &str),
        system: &str,
        action: &str,
        wants_review: bool,
        freshness: Freshness,
    ) -> Verdict<'_> {
        let subject = self.rules.subject(identifier_type, value);
        let question = Question { subject: &subject, resource_type, system, action, wants_review };
        decide(&self.rules, &self.suppressions, &self.copy, question, freshness)
    }

    fn reason(&self, account_id: &str, system: &str, action: &str) -> Reason {
        self.asked(("account_id", account_id), system, action, FRESH).reason
    }
}

#[test]
fn nothing_stands_against_it() {
    let gate = Gate::new();
    let verdict = gate.asked(("account_id", "somebody"), "hiring", "infer", FRESH);
    assert_eq!((verdict.reason, verdict.permits(), verdict.obligation), (Reason::Clear, true, None));
    assert_eq!((verdict.as_of, verdict.staleness_millis), (FRESH.as_of, Some(300)));
    assert_eq!(gate.reason("opted-in", "hiring", "infer"), Reason::Clear);
    assert_eq!(gate.reason("sensitive", "hiring", "infer"), Reason::Clear, "another right");
    assert_eq!(gate.reason("of-hiring", "pricing", "infer"), Reason::Clear, "another system");
}

#[test]
fn an_opt_out_is_named_with_its_choice_and_the_alternative() {
    let gate = Gate::new();
    let verdict = gate.asked(("account_id", "of-hiring"), "hiring", "infer", FRESH);
    assert_eq!((verdict.reason, verdict.permits()), (Reason::Suppressed, false));
    assert_eq!(verdict.right.as_deref(), Some("admt:hiring"));
    let choice = NamedChoice { id: "choice-5-admt:hiring".to_owned(), since: Millis(5), inherited: false };
    assert_eq!(verdict.choice, Some(choice));
    assert_eq!(verdict.obligation, Some(Obligation::HumanReview));
}

#[test]
fn admt_covers_systems_that_the_record_does_not_name() {
    let gate = Gate::new();
    assert_eq!(gate.asked(("account_id", "of-all"), "hiring", "infer", FRESH).right.as_deref(), Some("admt"));
    assert_eq!(gate.reason("of-all", "pricing", "infer"), Reason::Suppressed);
}

#[test]
fn training_needs_more_than_inferring() {
    let gate = Gate::new();
    let verdict = gate.asked(("account_id", "sensitive"), "hiring", "train", FRESH);
    assert_eq!((verdict.reason, verdict.right.as_deref()), (Reason::Suppressed, Some("sensitive_pi")));
    assert_eq!(gate.reason("of-hiring", "hiring", "train"), Reason::Suppressed);
}

#[test]
fn what_is_old_is_a_deny_or_an_error_and_an_opt_out_in_hand_counts_all_the_same() {
    let gate = Gate::new();
    let unknown = Freshness { as_of: None, now: NOW };
    for freshness in [OLD, unknown] {
        let verdict = gate.asked(("account_id", "somebody"), "hiring", "infer", freshness);
        assert_eq!((verdict.reason, verdict.is_error()), (Reason::Stale, false));
        assert_eq!(verdict.obligation, Some(Obligation::HumanReview));
        let error = gate.asked(("account_id", "somebody"), "credit", "infer", freshness);
        assert_eq!((error.is_error(), error.obligation), (true, None), "it is to be asked again");
        assert_eq!(gate.asked(("account_id", "of-hiring"), "hiring", "infer", freshness).reason, Reason::Suppressed);
        assert_eq!(gate.asked(("account_id", "opted-out"), "credit", "infer", freshness).reason, Reason::Stale);
    }
    let ahead = Freshness { as_of: Some(Millis(NOW.0 + 500)), now: NOW };
    let verdict = gate.asked(("account_id", "somebody"), "hiring", "infer", ahead);
    assert_eq!((verdict.reason, verdict.staleness_millis), (Reason::Clear, Some(0)));
}

#[test]
fn what_is_unknown_is_a_deny_with_its_reason() {
    let gate = Gate::new();
    assert_eq!(gate.reason("somebody", "hirring", "infer"), Reason::UnknownSystem);
    assert_eq!(gate.reason("somebody", "hiring", "explain"), Reason::UnknownAction);
    let of_another = gate.asked_of("record", ("account_id", "somebody"), "hiring", "infer", false, FRESH);
    assert_eq!(of_another.reason, Reason::UnknownResourceType);
    let of = |identifier_type, value| gate.asked((identifier_type, value), "hiring", "infer", FRESH).reason;
    assert_eq!(of("household_id", "h"), Reason::UnknownIdentifierType);
    assert_eq!(of("device_id", "d"), Reason::UnknownIdentifierType, "declared, but the gate is not told of it");
    assert_eq!(of("account_id", ""), Reason::InvalidIdentifier);
    assert_eq!(of("account_id", "nobody"), Reason::InvalidIdentifier, "blocked");
    assert_eq!(of("email_sha256", "abc"), Reason::InvalidIdentifier);
}

#[test]
fn somebody_of_whom_nothing_is_known_may_be_refused() {
    let gate = Gate::new();
    assert_eq!(gate.reason("somebody", "pricing", "infer"), Reason::UnknownSubject);
    assert_eq!(gate.reason("opted-in", "pricing", "infer"), Reason::Clear);
    gate.hears("opted-in", 9, &[]);
    assert_eq!(gate.reason("opted-in", "pricing", "infer"), Reason::UnknownSubject, "no rights is as no message");
}

#[test]
fn a_human_looks_when_the_policy_or_who_asks_says_so() {
    let gate = Gate::new();
    let verdict = gate.asked(("account_id", "somebody"), "support", "infer", FRESH);
    assert_eq!((verdict.reason, verdict.obligation), (Reason::NeedsReview, Some(Obligation::HumanReview)));
    let wished = |system| gate.asked_of("admt_system", ("account_id", "opted-in"), system, "infer", true, FRESH).reason;
    assert_eq!(wished("hiring"), Reason::NeedsReview);
    assert_eq!(wished("pricing"), Reason::Clear, "escalate is never");
}

#[test]
fn where_an_appeal_is_offered_an_opt_out_is_a_permit_with_that_obligation() {
    let gate = Gate::new();
    let verdict = gate.asked(("account_id", "opted-out"), "credit", "infer", FRESH);
    assert_eq!((verdict.reason, verdict.permits()), (Reason::Appeal, true));
    assert_eq!(verdict.obligation, Some(Obligation::HumanAppeal));
    assert_eq!(verdict.right.as_deref(), Some("admt:credit"));
    gate.hears("both", 9, &[("admt", true), ("sensitive_pi", true)]);
    let verdict = gate.asked(("account_id", "both"), "credit", "train", FRESH);
    assert_eq!((verdict.reason, verdict.right.as_deref()), (Reason::Suppressed, Some("sensitive_pi")));
}

#[test]
fn an_email_is_who_its_hash_is() {
    let gate = Gate::new();
    let Subject::Identified(identifier) = gate.rules.subject("email", " Ada@Example.com ") else { panic!() };
    let change = holds(&identifier, 1, &[("admt", true)]);
    gate.suppressions.apply(&change, gate.copy.append(&change), &gate.copy);
    assert_eq!(gate.asked(("email", "ada@example.COM"), "hiring", "infer", FRESH).reason, Reason::Suppressed);
}

#[test]
fn an_opt_out_whose_record_cannot_be_read_stands() {
    let gate = Gate::new();
    gate.copy.unreadable.borrow_mut().extend(0..gate.copy.len());
    let verdict = gate.asked(("account_id", "of-hiring"), "hiring", "infer", FRESH);
    assert_eq!((verdict.reason, verdict.choice.clone()), (Reason::Suppressed, None));
    assert_eq!(verdict.right.as_deref(), Some("admt:hiring"));
    gate.hears("of-hiring", 6, &[("admt:hiring", false)]);
    assert_eq!(gate.reason("of-hiring", "hiring", "infer"), Reason::Suppressed, "whose it was cannot be told");
}

#[test]
fn an_identifier_whose_record_cannot_be_understood_is_opted_out_until_a_later_one_can() {
    let gate = Gate::new();
    for account_id in ["opted-in", "somebody"] {
        let change = Change::Holds(State::not_understood(account(account_id), Millis(9)));
        gate.suppressions.apply(&change, gate.copy.append(&change), &gate.copy);
        assert_eq!(gate.reason(account_id, "hiring", "infer"), Reason::Suppressed);
        assert_eq!(gate.reason(account_id, "credit", "infer"), Reason::Suppressed, "no appeal");
        gate.hears(account_id, 1, &[("admt", false)]);
        assert_eq!(gate.reason(account_id, "hiring", "infer"), Reason::Clear);
    }
}

#[test]
fn rights_beyond_the_bits_are_told_apart_by_their_record() {
    let gate = Gate::new();
    let names: Vec<String> = (0..80).map(|number| format!("right-{number}")).collect();
    let others: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    gate.hears("many", 1, &others);
    assert_eq!(gate.reason("many", "hiring", "train"), Reason::Clear);
    let added = POLICY.replace("[\"hiring\",", "[\"late\", \"hiring\",");
    let late = Rules::parse(&added, String::new(), "ml", "admt_system", gate.suppressions.right_bits()).unwrap();
    let gate = Gate { rules: late, ..gate };
    assert_eq!(gate.reason("many", "late", "infer"), Reason::Clear);
    gate.hears("too-late", 1, &[("admt:late", true)]);
    assert_eq!(gate.reason("too-late", "late", "infer"), Reason::Suppressed);
}

#[test]
fn a_policy_that_would_permit_what_the_gate_is_never_told_of_is_refused() {
    let suppressions = Suppressions::default();
    let refused = |text: &str, downstream: &str| -> RulesError {
        Rules::parse(text, String::new(), downstream, "admt_system", suppressions.right_bits()).unwrap_err()
    };
    let taken = |rights: &str| POLICY.replace(r#"["sensitive_pi", "admt", "admt:*"]"#, rights);
    let not_taken = |text: &str| match refused(text, "ml") {
        RulesError::RightNotTaken { right, .. } => right,
        other => panic!("{other}"),
    };
    assert_eq!(not_taken(&taken(r#"["sensitive_pi", "admt"]"#)), "admt:credit");
    assert_eq!(not_taken(&taken(r#"["admt", "admt:*"]"#)), "sensitive_pi");
    assert!(matches!(refused(POLICY, "mll"), RulesError::NoDownstream { hint, .. } if hint.contains("\"ml\"")));
    let none = "version = \"1\"\n[identifier_types.a]\n[rights.sale]\n[downstreams.ml]\ntopic = \"t\"\nrights = []\nidentifier_types = []";
    assert_eq!(refused(none, "ml"), RulesError::NoSystem);
    assert!(matches!(refused("version = 1", "ml"), RulesError::Policy(_)));
}
