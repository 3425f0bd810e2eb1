//! An explanation, for a terminal.

use quell_domain::Millis;
use quell_http::{CauseStep, Delivery, EffectiveRight, Explanation, HeldRelaxation, NamedIdentifier};

use crate::moment::rfc3339;

/// The explanation in words. Makes sense without colour, and has none.
pub fn text(explained: &Explanation) -> String {
    let mut text = format!("{}\n", name(&explained.identifier));
    if explained.hub {
        text.push_str("  a hub: it has more neighbours than max_neighbours allows, so nothing passes through it\n");
    }
    section(&mut text, "what holds", "nobody has chosen", explained.rights.iter().map(right));
    let own = explained.own_choices.iter().map(|choice| {
        let (says, choice_id) = (says(choice.opted_out), &choice.choice_id);
        let (made, received) = (time(choice.effective_at), time(choice.received_at));
        vec![format!("{}: {says} by {choice_id}, made {made}, received {received}", choice.right)]
    });
    section(&mut text, "chosen here", "nothing", own);
    let edges = explained.edges.iter().map(|edge| {
        let state = if edge.holds { "linked" } else { "unlinked" };
        vec![format!("{} {state} {}", name(&edge.identifier), time(edge.observed_at))]
    });
    section(&mut text, "links", "none", edges);
    if explained.edges_left_out > 0 {
        line(&mut text, &format!("  and {} more", explained.edges_left_out));
    }
    section(&mut text, "published", "nothing", explained.deliveries.iter().map(|delivery| vec![published(delivery)]));
    if !explained.held.is_empty() {
        section(&mut text, "about to be lifted", "nothing", explained.held.iter().map(|held| vec![waiting(held)]));
    }
    text
}

/// A heading, and below it an entry of some lines each.
fn section(text: &mut String, heading: &str, none: &str, entries: impl Iterator<Item = Vec<String>>) {
    line(text, &format!("\n{heading}"));
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        line(text, &format!("  {none}"));
    }
    for lines in entries {
        for (at, entry) in lines.iter().enumerate() {
            let indent = if at == 0 { "  " } else { "    " };
            line(text, &format!("{indent}{entry}"));
        }
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn right(right: &EffectiveRight) -> Vec<String> {
    let (says, since, due) = (says(right.opted_out), time(right.since), time(right.due_at));
    let mut lines = vec![format!("{}: {says} since {since}, by {}; due {due}", right.right, right.choice_id)];
    lines.push(chain(&right.cause_chain));
    match &right.published {
        None => lines.push("not published yet".to_owned()),
        Some(told) if told.opted_out != right.opted_out => {
            lines.push(format!("still published: {}, by {}", self::says(told.opted_out), told.choice_id));
        }
        Some(_) => {}
    }
    lines
}

/// `chosen here`, or `through account_id=42, through cookie_id=9b1d, where it was chosen`.
fn chain(steps: &[CauseStep]) -> String {
    let through: Vec<&NamedIdentifier> = steps.iter().filter_map(|step| step.via.as_ref()).collect();
    let Some(last) = steps.last() else { return "where it was chosen is not known here".to_owned() };
    let mut chain = String::new();
    for neighbour in &through {
        chain.push_str(&format!("through {}, ", name(neighbour)));
    }
    if last.via.is_some() {
        chain.push_str("and on from there at another instance");
    } else if through.is_empty() {
        chain.push_str("chosen here");
    } else {
        chain.push_str("where it was chosen");
    }
    chain
}

fn published(delivery: &Delivery) -> String {
    let acknowledged = match delivery.acknowledged_version {
        None => "not acknowledged".to_owned(),
        Some(version) if version >= delivery.version => "acknowledged".to_owned(),
        Some(version) => format!("acknowledged up to version {version}"),
    };
    let (downstream, version, at) = (&delivery.downstream, delivery.version, time(delivery.published_at));
    format!("{downstream}: version {version} at {at}, {acknowledged}")
}

fn waiting(held: &HeldRelaxation) -> String {
    format!("{}: {}, if it holds until then; because of {}", held.right, time(held.until), held.cause)
}

fn says(opted_out: bool) -> &'static str {
    if opted_out { "opted out" } else { "opted in" }
}

fn time(millis: i64) -> String {
    rfc3339(Millis(millis))
}

/// As `quell explain` takes it. What a terminal would obey is shown instead.
fn name(identifier: &NamedIdentifier) -> String {
    let value = identifier.value.chars().flat_map(|letter| {
        let obeyed = letter.is_control();
        let shown = obeyed.then(|| letter.escape_default()).into_iter().flatten();
        shown.chain((!obeyed).then_some(letter))
    });
    format!("{}={}", identifier.identifier_type, value.collect::<String>())
}

#[cfg(test)]
mod tests {
    use quell_http::{Edge, OwnChoice, PublishedRight};

    use super::*;

    const MONDAY: i64 = 1_795_456_800_000;

    fn named(identifier_type: &str, value: &str) -> NamedIdentifier {
        NamedIdentifier { identifier_type: identifier_type.to_owned(), value: value.to_owned() }
    }

    fn step(from: (&str, &str), via: Option<(&str, &str)>) -> CauseStep {
        CauseStep { identifier: named(from.0, from.1), via: via.map(|via| named(via.0, via.1)) }
    }

    fn effective(right: &str, opted_out: bool, cause_chain: Vec<CauseStep>) -> EffectiveRight {
        EffectiveRight {
            right: right.to_owned(),
            opted_out,
            choice_id: "gpc-17".to_owned(),
            since: MONDAY,
            due_at: MONDAY + 22 * 86_400_000,
            inherited: cause_chain.len() > 1,
            cause_chain,
            published: Some(PublishedRight { opted_out: true, choice_id: "gpc-17".to_owned(), inherited: false }),
        }
    }

    fn unheard_of() -> Explanation {
        Explanation {
            identifier: named("cookie_id", "7f3c"),
            hub: false,
            edges: Vec::new(),
            edges_left_out: 0,
            own_choices: Vec::new(),
            rights: Vec::new(),
            deliveries: Vec::new(),
            held: Vec::new(),
        }
    }

    #[test]
    fn an_explanation_tells_what_holds_and_why_and_who_was_told() {
        let (me, account, laptop) = (("cookie_id", "7f3c"), ("account_id", "42"), ("cookie_id", "9b1d"));
        let delivery = |downstream: &str, acknowledged_version| Delivery {
            downstream: downstream.to_owned(),
            version: 7,
            published_at: MONDAY + 120,
            acknowledged_version,
        };
        let unpublished =
            EffectiveRight { published: None, ..effective("sharing", true, vec![step(me, Some(account))]) };
        let explained = Explanation {
            rights: vec![
                effective("admt", false, vec![step(me, None)]),
                effective("sale", true, vec![step(me, Some(account)), step(account, Some(laptop)), step(laptop, None)]),
                unpublished,
            ],
            own_choices: vec![OwnChoice {
                right: "admt".to_owned(),
                opted_out: false,
                choice_id: "web-3".to_owned(),
                effective_at: MONDAY,
                received_at: MONDAY + 5,
            }],
            edges: vec![
                Edge { identifier: named("account_id", "42"), holds: true, observed_at: MONDAY },
                Edge { identifier: named("email_sha256", "b4c9"), holds: false, observed_at: MONDAY },
            ],
            deliveries: vec![delivery("ads", Some(7)), delivery("analytics", Some(5)), delivery("ml", None)],
            held: vec![HeldRelaxation { right: "admt".to_owned(), until: MONDAY + 10_000, cause: "opt_in".to_owned() }],
            ..unheard_of()
        };
        insta::assert_snapshot!(text(&explained), @"
        cookie_id=7f3c

        what holds
          admt: opted in since 2026-11-23T18:00:00.000Z, by gpc-17; due 2026-12-15T18:00:00.000Z
            chosen here
            still published: opted out, by gpc-17
          sale: opted out since 2026-11-23T18:00:00.000Z, by gpc-17; due 2026-12-15T18:00:00.000Z
            through account_id=42, through cookie_id=9b1d, where it was chosen
          sharing: opted out since 2026-11-23T18:00:00.000Z, by gpc-17; due 2026-12-15T18:00:00.000Z
            through account_id=42, and on from there at another instance
            not published yet

        chosen here
          admt: opted in by web-3, made 2026-11-23T18:00:00.000Z, received 2026-11-23T18:00:00.005Z

        links
          account_id=42 linked 2026-11-23T18:00:00.000Z
          email_sha256=b4c9 unlinked 2026-11-23T18:00:00.000Z

        published
          ads: version 7 at 2026-11-23T18:00:00.120Z, acknowledged
          analytics: version 7 at 2026-11-23T18:00:00.120Z, acknowledged up to version 5
          ml: version 7 at 2026-11-23T18:00:00.120Z, not acknowledged

        about to be lifted
          admt: 2026-11-23T18:00:10.000Z, if it holds until then; because of opt_in
        ");
    }

    #[test]
    fn a_hub_with_many_links_says_so() {
        let edge = Edge { identifier: named("account_id", "\u{1b}[31m42"), holds: true, observed_at: MONDAY };
        let explained = Explanation { hub: true, edges: vec![edge], edges_left_out: 99_999, ..unheard_of() };
        insta::assert_snapshot!(text(&explained), @r"
        cookie_id=7f3c
          a hub: it has more neighbours than max_neighbours allows, so nothing passes through it

        what holds
          nobody has chosen

        chosen here
          nothing

        links
          account_id=\u{1b}[31m42 linked 2026-11-23T18:00:00.000Z
          and 99999 more

        published
          nothing
        ");
    }
}
