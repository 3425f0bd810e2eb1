//! Where the story is played: sends what a step says, waits for what must follow, and shows both.

use std::collections::HashMap;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use quell_domain::{Action, Policy};
use quell_wire::{ChoiceMessage, Format, LinkMessage, SuppressionMessage};

use super::cast::{Cast, Part};
use super::causes::Causes;
use super::expectation::{Expectation, Wanted, note, wanted};
use crate::clock;
use crate::metrics::Metrics;
use crate::sender::{Message, Sender};
use crate::terminal::{Terminal, in_words};
use crate::watcher::{Arrival, Heard, Refused, Watcher};

/// A step takes some tens of milliseconds, or `relax_after`; so much more means that something is wrong.
const STEP_SECONDS_MAX: u64 = 30;
/// How often a waiting watcher is shown that time passes.
const GLANCE: Duration = Duration::from_millis(100);
/// How long nothing must come, where nothing may.
const SILENCE: Duration = Duration::from_secs(1);
/// Two clocks are compared: ours, and the engine's, which counts in milliseconds.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(50);

/// Everything that a step needs.
pub struct Stage<'a> {
    /// The policy that the engine runs with.
    pub policy: &'a Policy,
    /// Who plays.
    pub cast: Cast,
    /// Sets the events of this run apart from those of others.
    pub tag: String,
    /// How long a relaxation must be held.
    pub relax_after: Duration,
    /// To the input topics.
    pub sender: &'a Sender,
    /// From the output topics.
    pub watcher: &'a Watcher,
    /// To ask the engine how far it is.
    pub metrics: &'a Metrics,
    /// To whom it is shown.
    pub terminal: &'a mut Terminal,
    /// What has been told so far.
    pub causes: Causes,
    /// By downstream and key, what was last heard.
    pub last_heard: HashMap<(String, String), SuppressionMessage>,
    /// How many steps there were.
    pub steps: u32,
}

impl Stage<'_> {
    /// Begins a step.
    pub fn begin(&mut self, title: &str, words: &[&str]) -> anyhow::Result<()> {
        self.steps += 1;
        self.terminal.line(format!("\n{}. {title}", self.steps))?;
        for line in words {
            self.terminal.line(format!("   {line}"))?;
        }
        Ok(())
    }

    /// Says something about what happened.
    pub fn say(&mut self, text: impl AsRef<str>) -> anyhow::Result<()> {
        Ok(self.terminal.line(format!("   {}", text.as_ref()))?)
    }

    /// Sends a choice at one identifier.
    pub fn choose(
        &mut self,
        id: &str,
        action: Action,
        rights: &[&str],
        at: &Part,
        channel: &str,
    ) -> anyhow::Result<Instant> {
        let now = clock::now().0;
        let event_id = format!("story-{id}-{}", self.tag);
        let (verb, says) = match action {
            Action::OptOut => ("OPT_OUT of", "opted out"),
            Action::OptIn => ("OPT_IN to", "opted back in"),
        };
        self.say(format!("sent: {verb} {} at {}, event {event_id}", rights.join(", "), at.sent_as_words()))?;
        self.causes.choose(&event_id, says, &at.identifier);
        let message = Message::Choice(ChoiceMessage {
            event_id,
            action,
            rights: rights.iter().map(|right| (*right).to_owned()).collect(),
            identifiers: vec![at.sent_as.clone()],
            effective_at: now,
            received_at: now,
            source: "web".to_owned(),
            channel: Some(channel.to_owned()),
            jurisdiction: Some("US-CA".to_owned()),
            attributes: [].into(),
        });
        self.sender.send(&message, Format::Json, 0)
    }

    /// Sends a link, or its end.
    pub fn link(&mut self, id: &str, holds: bool, a: &Part, b: &Part) -> anyhow::Result<Instant> {
        let event_id = format!("story-{id}-{}", self.tag);
        let verb = if holds { "LINK" } else { "UNLINK" };
        self.say(format!("sent: {verb} of {} and {}", a.sent_as_words(), b.sent_as_words()))?;
        if holds {
            self.causes.link(&a.identifier, &b.identifier);
        } else {
            self.causes.unlink(&a.identifier, &b.identifier);
        }
        let message = Message::Link(LinkMessage {
            event_id,
            holds,
            a: a.sent_as.clone(),
            b: b.sent_as.clone(),
            observed_at: clock::now().0,
            source: "web".to_owned(),
            attributes: [].into(),
        });
        self.sender.send(&message, Format::Json, 0)
    }

    /// Waits for all that must follow what was sent then, and shows it.
    pub fn expect(&mut self, sent_at: Instant, expectations: &[Expectation]) -> anyhow::Result<()> {
        let mut open = wanted(self.policy, expectations);
        let deadline = sent_at + self.relax_after + Duration::from_secs(STEP_SECONDS_MAX);
        let relaxes = expectations.iter().any(|known| known.relaxes);
        let mut done = open.is_empty();
        while !done {
            match self.hear(deadline)? {
                Some(heard) => {
                    done = note(&mut open, expectations, &heard, heard.at.saturating_duration_since(sent_at));
                }
                None if Instant::now() >= deadline => bail!(self.what_is_missing(&open, expectations)),
                None if relaxes && sent_at.elapsed() < self.relax_after => {
                    let (held, of) = (sent_at.elapsed().as_secs_f64(), in_words(self.relax_after));
                    self.terminal.passing(format!("   held back on purpose: {held:.1} of {of}"))?;
                }
                None => {}
            }
        }
        for (place, expectation) in expectations.iter().enumerate() {
            let arrived: Vec<&Wanted> = open.iter().filter(|wanted| wanted.expectation == place).collect();
            self.show(expectation, &arrived)?;
        }
        Ok(())
    }

    /// The next suppression, if one comes soon.
    fn hear(&mut self, deadline: Instant) -> anyhow::Result<Option<Heard>> {
        let patience = GLANCE.min(deadline.saturating_duration_since(Instant::now()));
        match self.watcher.arrivals.recv_timeout(patience) {
            Ok(Arrival::Suppression(heard)) => {
                self.last_heard.insert((heard.downstream.clone(), heard.key.clone()), heard.suppression.clone());
                Ok(Some(heard))
            }
            Ok(Arrival::DeadLetter(refused)) => {
                let why = &refused.cause;
                bail!("a record of the story was refused: {}: {}", why.code, why.message)
            }
            Ok(Arrival::Unreadable(what)) => bail!(what),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the reader of the suppressions has ended"),
        }
    }

    fn show(&mut self, expectation: &Expectation, arrived: &[&Wanted]) -> anyhow::Result<()> {
        let Some((_, suppression)) = arrived.first().and_then(|one| one.arrived.as_ref()) else { return Ok(()) };
        self.terminal.line(format!("   -> {}: {}", expectation.whom.in_words(), expectation.in_words()))?;
        if let Some(state) = suppression.rights.get(expectation.right)
            && let Some(chain) = self.causes.chain(&self.cast, &state.choice_id, &expectation.whom.identifier)
        {
            self.terminal.line(format!("      because {chain}"))?;
        }
        let mut times = Vec::new();
        for (downstream, after) in arrived.iter().filter_map(|one| Some((&one.downstream, one.arrived.as_ref()?.0))) {
            if expectation.relaxes && after + CLOCK_TOLERANCE < self.relax_after {
                bail!(
                    "{downstream} was told after {} that {}, but a relaxation is to be held for {}",
                    in_words(after),
                    expectation.in_words(),
                    in_words(self.relax_after)
                );
            }
            times.push(format!("{downstream} after {}", in_words(after)));
        }
        let held = if expectation.relaxes { " (held on purpose)" } else { "" };
        self.terminal.line(format!("      told: {}{held}", times.join(", ")))?;
        Ok(())
    }

    fn what_is_missing(&self, open: &[Wanted], expectations: &[Expectation]) -> String {
        let mut words = format!("step {}: these suppressions are missing:", self.steps);
        for missing in open.iter().filter(|wanted| wanted.arrived.is_none()) {
            let Some(expectation) = expectations.get(missing.expectation) else { continue };
            let last = self.last_heard.get(&(missing.downstream.clone(), missing.key.clone()));
            let instead = last.and_then(|message| message.rights.get(expectation.right)).map_or_else(
                || "nothing of it".to_owned(),
                |state| format!("opted_out={}, inherited={}", state.opted_out, state.inherited),
            );
            let Wanted { downstream, key, .. } = missing;
            words.push_str(&format!("\n  {downstream}, {key}: {}; it last heard {instead}", expectation.in_words()));
        }
        words
    }

    /// Does something that sends records, and waits until the engine has committed that many.
    pub fn until_taken(&mut self, send: impl FnOnce(&mut Self) -> anyhow::Result<u32>) -> anyhow::Result<()> {
        let taken = |stage: &Self| anyhow::Ok(stage.metrics.scrape()?.sum("quell_events_total", "").unwrap_or(0.0));
        let before = taken(self)?;
        let records = f64::from(send(self)?);
        let deadline = Instant::now() + Duration::from_secs(STEP_SECONDS_MAX);
        while taken(self)? - before < records {
            if Instant::now() >= deadline {
                bail!("step {}: the engine has not taken {records} records within {STEP_SECONDS_MAX} s", self.steps);
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Sees to it that nobody of these is told to be opted out, nor was.
    pub fn expect_silence(&mut self, about: &[Part]) -> anyhow::Result<()> {
        let until = Instant::now() + SILENCE;
        while Instant::now() < until {
            self.hear(until)?;
        }
        for part in about {
            let key = part.identifier.key();
            let told = self.last_heard.iter().find(|((_, known), message)| *known == key && message.suppressed);
            if let Some(((downstream, _), _)) = told {
                bail!("step {}: {downstream} was told to suppress {}", self.steps, part.in_words());
            }
        }
        Ok(())
    }

    /// Waits for the dead letter with these very bytes.
    pub fn expect_dead_letter(&mut self, sent: &[u8]) -> anyhow::Result<Refused> {
        let deadline = Instant::now() + Duration::from_secs(STEP_SECONDS_MAX);
        loop {
            match self.watcher.arrivals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Arrival::DeadLetter(refused)) if refused.value.as_deref() == Some(sent) => return Ok(refused),
                Ok(Arrival::Unreadable(what)) => bail!(what),
                Ok(_) => {}
                Err(_) => bail!("step {}: no dead letter with these bytes within {STEP_SECONDS_MAX} s", self.steps),
            }
        }
    }
}
