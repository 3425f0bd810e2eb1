//! Reviews, for a terminal. Makes sense without colour, and has none.

use quell_domain::Millis;
use quell_gate::reviews::{Resolution, Review, ReviewList, ReviewState};

use crate::moment::rfc3339;

/// As it is asked for.
pub fn state(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Pending => "pending",
        ReviewState::Resolved => "resolved",
    }
}

/// One of many.
pub fn line(review: &Review) -> String {
    let (at, system, reason) = (time(review.created_at), &review.system, &review.reason);
    let ended = review.resolution.as_ref();
    let ended = ended.map_or_else(String::new, |resolution| {
        format!("  {} by {} {}", shown(&resolution.outcome), shown(&resolution.by), time(resolution.at))
    });
    format!("{}  {at}  {}  {}{ended}", shown(&review.review_id), shown(system), shown(reason))
}

/// How many they are.
pub fn summary(list: &ReviewList, of: ReviewState) -> String {
    let (count, state) = (list.reviews.len(), state(of));
    let reviews = if count == 1 { "review" } else { "reviews" };
    let last = list.reviews.last().filter(|_| list.more);
    let more = last.map_or_else(String::new, |last| format!("; there are more, --after {}", shown(&last.review_id)));
    format!("{count} {state} {reviews}{more}")
}

/// All of one.
pub fn text(review: &Review) -> String {
    let mut text = format!("review {}, {}\n\n", shown(&review.review_id), state(review.state));
    let subject = format!("{}={}", shown(&review.subject.identifier_type), shown(&review.subject.value));
    let mut entry = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<10}{value}\n"));
        }
    };
    entry("opened", Some(time(review.created_at)));
    entry("about", Some(subject));
    entry("system", Some(format!("{}, to {}", shown(&review.system), shown(&review.action))));
    entry("decides", review.significant_decision.as_deref().map(shown));
    entry("because", Some(because(review)));
    entry("policy", Some(shown(&review.policy_version)));
    let version = review.model_version.as_deref().map_or_else(String::new, |version| format!(" {}", shown(version)));
    entry("model", review.model_name.as_deref().map(|name| format!("{}{version}", shown(name))));
    entry("input", review.input_sha256.as_deref().map(|hash| format!("sha256 {}", shown(hash))));
    entry("request", review.request_id.as_deref().map(shown));
    if let Some(material) = &review.material {
        text.push_str("\nmarked for review\n");
        material.get().lines().for_each(|line| text.push_str(&format!("  {}\n", shown(line))));
    }
    if let Some(resolution) = &review.resolution {
        text.push_str(&format!("\nresolved\n{}", resolved(resolution)));
    }
    text
}

fn because(review: &Review) -> String {
    let mut because = shown(&review.reason);
    if let Some(right) = &review.right {
        because.push_str(&format!(": {} opted out", shown(right)));
    }
    if let Some(choice_id) = &review.choice_id {
        let since = review.since.map_or_else(String::new, |since| format!(", made {}", time(since)));
        let elsewhere = if review.inherited == Some(true) { ", at another identifier" } else { "" };
        because.push_str(&format!(" by {}{since}{elsewhere}", shown(choice_id)));
    }
    because
}

fn resolved(resolution: &Resolution) -> String {
    let proposal = match resolution.changed_proposal {
        Some(true) => ", otherwise than the machine had proposed",
        Some(false) => ", as the machine had proposed",
        None => "",
    };
    let (outcome, by, at) = (shown(&resolution.outcome), shown(&resolution.by), time(resolution.at));
    let note = resolution.note.as_deref().map_or_else(String::new, |note| format!("  {}\n", shown(note)));
    format!("  {outcome} by {by} {at}{proposal}\n{note}")
}

fn time(millis: i64) -> String {
    rfc3339(Millis(millis))
}

/// What a terminal would obey is shown instead.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    const PENDING: &str = r#"{
        "review_id": "01a0c450-6c00-7000-8000-000000000001", "state": "pending", "created_at": 1795456800000,
        "subject": { "type": "account_id", "value": "42\u001b[31m" }, "action": "infer", "system": "hiring",
        "reason": "suppressed", "right": "admt:hiring", "choice_id": "web-3", "since": 1795456700000, "inherited": true,
        "significant_decision": "employment_or_contracting_opportunities_or_compensation",
        "policy_version": "p-1", "policy_sha256": "f00d", "model_name": "ranker", "model_version": "7",
        "material": { "proposal": "refuse" }
    }"#;

    fn pending() -> Review {
        serde_json::from_str(PENDING).unwrap()
    }

    fn resolved() -> Review {
        let resolution = Resolution {
            by: "j.doe".to_owned(),
            at: 1_795_457_800_000,
            outcome: "granted".to_owned(),
            changed_proposal: Some(true),
            note: Some("the gap was parental leave".to_owned()),
        };
        Review { state: ReviewState::Resolved, resolution: Some(resolution), ..pending() }
    }

    #[test]
    fn a_review_shows_what_a_human_needs() {
        insta::assert_snapshot!(text(&resolved()), @r#"
        review 01a0c450-6c00-7000-8000-000000000001, resolved

          opened    2026-11-23T18:00:00.000Z
          about     account_id=42\u{1b}[31m
          system    hiring, to infer
          decides   employment_or_contracting_opportunities_or_compensation
          because   suppressed: admt:hiring opted out by web-3, made 2026-11-23T17:58:20.000Z, at another identifier
          policy    p-1
          model     ranker 7

        marked for review
          { "proposal": "refuse" }

        resolved
          granted by j.doe 2026-11-23T18:16:40.000Z, otherwise than the machine had proposed
          the gap was parental leave
        "#);
        let bare = Review {
            right: None,
            choice_id: None,
            significant_decision: None,
            model_name: None,
            material: None,
            reason: "needs_review".to_owned(),
            ..pending()
        };
        insta::assert_snapshot!(text(&bare), @r"
        review 01a0c450-6c00-7000-8000-000000000001, pending

          opened    2026-11-23T18:00:00.000Z
          about     account_id=42\u{1b}[31m
          system    hiring, to infer
          because   needs_review
          policy    p-1
        ");
    }

    #[test]
    fn a_review_of_many_is_one_line_and_names_nobody() {
        insta::assert_snapshot!(line(&pending()), @"01a0c450-6c00-7000-8000-000000000001  2026-11-23T18:00:00.000Z  hiring  suppressed");
        insta::assert_snapshot!(line(&resolved()), @"01a0c450-6c00-7000-8000-000000000001  2026-11-23T18:00:00.000Z  hiring  suppressed  granted by j.doe 2026-11-23T18:16:40.000Z");
        let list = |more| ReviewList { reviews: vec![pending()], more };
        assert_eq!(summary(&list(false), ReviewState::Pending), "1 pending review");
        insta::assert_snapshot!(summary(&list(true), ReviewState::Pending), @"1 pending review; there are more, --after 01a0c450-6c00-7000-8000-000000000001");
    }
}
