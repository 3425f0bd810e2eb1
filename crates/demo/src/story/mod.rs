//! The story: one consumer, her devices and her family, step by step.

mod cast;
mod causes;
mod expectation;
mod stage;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::bail;
use quell_domain::{Action, Policy};
use quell_wire::Format;

use crate::metrics::Metrics;
use crate::sender::{Message, Sender};
use crate::terminal::{Terminal, in_words};
use crate::watcher::Watcher;
use cast::{Cast, Part};
use causes::Causes;
use expectation::{Becomes, Expectation};
use stage::Stage;

/// What the consumer opts out of.
const SALE: &str = "sale";
/// Automated decision-making, which she opts out of as well if the policy knows it.
const ADMT: &str = "admt";

/// The story's surroundings.
pub struct Surroundings<'a> {
    /// The policy that the engine runs with.
    pub policy: &'a Policy,
    /// Sets this run apart from others.
    pub tag: String,
    /// How long a relaxation must be held.
    pub relax_after: Duration,
    /// To the input topics.
    pub sender: &'a Sender,
    /// From the output topics.
    pub watcher: &'a Watcher,
    /// To ask the engine how far it is.
    pub metrics: &'a Metrics,
}

/// Plays it.
///
/// # Errors
/// When something does not follow that must; the message says what.
pub fn play(around: Surroundings<'_>, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Surroundings { policy, tag, relax_after, sender, watcher, metrics } = around;
    if policy.right(SALE).is_none() {
        bail!("the story needs the right {SALE}, which the policy does not declare");
    }
    let limit = limit_of_accounts(policy, &tag)?;
    let cast = Cast::new(policy, &tag, limit.map_or(0, |limit| limit as usize + 1))?;
    let (causes, last_heard) = (Causes::default(), HashMap::new());
    let mut stage =
        Stage { policy, cast, tag, relax_after, sender, watcher, metrics, terminal, causes, last_heard, steps: 0 };
    a_browser_opts_out(&mut stage)?;
    she_logs_in(&mut stage)?;
    her_account_has_an_email(&mut stage)?;
    she_opens_a_mail_on_her_phone(&mut stage)?;
    if policy.right(ADMT).is_some() {
        she_opts_out_of_automated_decisions(&mut stage)?;
    }
    if let Some(limit) = limit {
        the_family_shares_a_tablet(&mut stage, limit)?;
    }
    she_opts_back_in(&mut stage)?;
    she_gives_the_phone_away(&mut stage)?;
    a_record_is_bad(&mut stage)
}

/// How many accounts a cookie may have before it is a hub.
fn limit_of_accounts(policy: &Policy, tag: &str) -> anyhow::Result<Option<u32>> {
    let cast = Cast::new(policy, tag, 0)?;
    let number = |part: &Part| policy.type_number(&part.identifier);
    let (Some(cookie), Some(account)) = (number(&cast.tablet), number(&cast.account)) else { return Ok(None) };
    Ok(policy.hub_limit(cookie, account))
}

fn opted_out(whom: &Part, right: &'static str, inherited: bool) -> Expectation {
    Expectation { whom: whom.clone(), right, becomes: Becomes::OptedOut, inherited, relaxes: false }
}

fn a_browser_opts_out(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "A browser sends a Global Privacy Control signal",
        &["Nobody has logged in. All that is known is a cookie, and it opts out of the sale of its data."],
    )?;
    let laptop = stage.cast.laptop.clone();
    let sent_at = stage.choose("gpc", Action::OptOut, &[SALE], &laptop, "gpc")?;
    stage.expect(sent_at, &[opted_out(&laptop, SALE, false)])?;
    stage.say("One cookie is suppressed, in every downstream that knows cookies and the right.")
}

fn she_logs_in(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "Jane logs in with that browser",
        &["The cookie is linked with her account, which inherits the opt-out."],
    )?;
    let (laptop, account) = (stage.cast.laptop.clone(), stage.cast.account.clone());
    let sent_at = stage.link("log-in", true, &laptop, &account)?;
    stage.expect(sent_at, &[opted_out(&account, SALE, true)])
}

fn her_account_has_an_email(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "Her account has an e-mail address",
        &["It comes in raw, with capitals and a blank. It is normalised and hashed at the door, and never stored."],
    )?;
    let (account, email) = (stage.cast.account.clone(), stage.cast.email.clone());
    let sent_at = stage.link("email", true, &account, &email)?;
    stage.expect(sent_at, &[opted_out(&email, SALE, true)])
}

fn she_opens_a_mail_on_her_phone(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "She opens a mail on her phone",
        &["The e-mail address is linked with a cookie of another device. She never opted out there."],
    )?;
    let (email, phone) = (stage.cast.email.clone(), stage.cast.phone.clone());
    let sent_at = stage.link("phone", true, &email, &phone)?;
    stage.expect(sent_at, &[opted_out(&phone, SALE, true)])
}

fn she_opts_out_of_automated_decisions(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "She opts out of automated decisions about her, in a web form",
        &["Made at her account, it reaches all four identifiers. Other downstreams are concerned than before."],
    )?;
    let Cast { account, laptop, email, phone, .. } = stage.cast.clone();
    let sent_at = stage.choose("form", Action::OptOut, &[ADMT], &account, "web_form")?;
    let inherits = |part| opted_out(part, ADMT, true);
    stage.expect(sent_at, &[opted_out(&account, ADMT, false), inherits(&laptop), inherits(&email), inherits(&phone)])
}

fn the_family_shares_a_tablet(stage: &mut Stage<'_>, limit: u32) -> anyhow::Result<()> {
    stage.begin(
        "The family shares a tablet",
        &[
            &format!(
                "{} others log in on it. A cookie with more than {limit} accounts is a hub: a shared device.",
                limit + 1
            ),
            "Then Jane does. The tablet is suppressed, but nobody else is: nothing passes through a hub.",
        ],
    )?;
    let Cast { account, tablet, family, .. } = stage.cast.clone();
    stage.until_taken(|stage| {
        let mut records = 0;
        for (number, other) in family.iter().enumerate() {
            stage.link(&format!("tablet-{number}"), true, other, &tablet)?;
            records += 1;
        }
        Ok(records)
    })?;
    let sent_at = stage.link("tablet", true, &account, &tablet)?;
    stage.expect(sent_at, &[opted_out(&tablet, SALE, true)])?;
    stage.expect_silence(&family)?;
    let others: Vec<&str> = family.iter().map(|part| part.called.as_str()).collect();
    stage.say(format!("-> nobody else is suppressed: {}", others.join(", ")))
}

fn she_opts_back_in(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let hold = in_words(stage.relax_after);
    stage.begin(
        "She opts back in, in the browser where she had opted out",
        &[&format!("That lifts an opt-out, so it is held for {hold} before anybody is told: no glitch may let a consumer through.")],
    )?;
    let Cast { laptop, account, email, phone, tablet, family } = stage.cast.clone();
    let sent_at = stage.choose("opt-in", Action::OptIn, &[SALE], &laptop, "web_form")?;
    let mut concerned = vec![(laptop, false), (account, true), (email, true), (phone, true)];
    if !family.is_empty() {
        concerned.push((tablet, true));
    }
    let back_in =
        |(whom, inherited)| Expectation { whom, right: SALE, becomes: Becomes::BackIn, inherited, relaxes: true };
    stage.expect(sent_at, &concerned.into_iter().map(back_in).collect::<Vec<_>>())
}

fn she_gives_the_phone_away(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "She gives the phone away",
        &["Its cookie is no longer hers: an unlink. What had come to it through the e-mail address goes."],
    )?;
    let (email, phone) = (stage.cast.email.clone(), stage.cast.phone.clone());
    let sent_at = stage.link("gone", false, &phone, &email)?;
    let unchosen = |right, relaxes| Expectation {
        whom: phone.clone(),
        right,
        becomes: Becomes::Unchosen,
        inherited: false,
        relaxes,
    };
    // She is back in the sale of her data, so its going lifts nothing; her other opt-out still held.
    stage.expect(sent_at, &[unchosen(SALE, false), unchosen(ADMT, true)])
}

fn a_record_is_bad(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.begin(
        "A producer makes a mistake",
        &["It calls the type cookie-id, which the policy does not know. The record becomes a dead letter; the stream goes on."],
    )?;
    let now = crate::clock::now();
    let bad = format!(
        concat!(
            r#"{{"event_id":"story-bad-{}","action":"OPT_OUT","rights":["sale"],"#,
            r#""identifiers":[{{"type":"cookie-id","value":"tv-cookie-{}"}}],"#,
            r#""effective_at":{},"received_at":{},"source":"web"}}"#
        ),
        stage.tag, stage.tag, now, now
    );
    stage.say(format!("sent: {bad}"))?;
    let sent_at = stage.sender.send(&Message::BadChoice(bad.clone().into_bytes()), Format::Json, 0)?;
    let refused = stage.expect_dead_letter(bad.as_bytes())?;
    let after = in_words(refused.at.saturating_duration_since(sent_at));
    stage.say(format!("-> a dead letter after {after}, its bytes untouched: {}", refused.cause.code))?;
    for (name, value) in &refused.headers {
        let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
        stage.say(format!("   {name}: {value}"))?;
    }
    stage.say("Once the mistake is mended, `quell deadletters replay` puts such records back.")
}
