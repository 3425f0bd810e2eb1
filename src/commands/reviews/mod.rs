//! `quell reviews …`: what was left to humans, looked at and resolved, at a running gate.

mod text;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use quell_gate::reviews::{Resolving, Review, ReviewList, ReviewState};
use serde::de::DeserializeOwned;

use super::asking::{Asked, encoded};
use crate::cli::LAST;
use crate::config::GateConfig;
use crate::failure::Failure;
use crate::values::whole_number;

/// Arguments of `quell reviews …`
#[derive(Debug, Args)]
pub struct ReviewsArguments {
    /// The gate's configuration [default: gate.toml]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: ReviewsCommand,
}

/// `quell reviews …`
#[derive(Debug, Subcommand)]
enum ReviewsCommand {
    /// List what waits for a human, the oldest first
    List(ListArguments),
    /// Show all of one review
    Show(ShowArguments),
    /// Record how a human has decided; once
    Resolve(ResolveArguments),
}

/// Where the gate is, and how its answer is printed.
#[derive(Debug, Args)]
struct Common {
    /// Where the gate's HTTP address is [default: http.listen of the configuration]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print what the gate answers, for a machine
    #[arg(long)]
    json: bool,
}

/// Arguments of `quell reviews list`.
#[derive(Debug, Args)]
struct ListArguments {
    /// Those that wait, or those that were resolved lately
    #[arg(long, default_value = "pending")]
    state: State,
    /// Those of one system
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = whole_number::<u32>)]
    limit: u32,
    /// Those behind this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Resolved,
}

/// Arguments of `quell reviews show`.
#[derive(Debug, Args)]
struct ShowArguments {
    /// The review's id, which is its decision's
    id: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `quell reviews resolve`.
#[derive(Debug, Args)]
struct ResolveArguments {
    /// The review's id, which is its decision's
    id: String,
    /// Whether the consumer gets what they are after; dismissed if there was nothing to decide
    #[arg(long)]
    outcome: Outcome,
    /// Who decides
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Whether that is what the machine had proposed; to be said where it had
    #[arg(long)]
    proposal: Option<Proposal>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    Granted,
    Refused,
    Dismissed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Proposal {
    Kept,
    Changed,
}

/// Does what is asked for.
///
/// # Errors
/// When the gate does not answer, or refuses.
pub fn run(asked: &ReviewsArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let config = GateConfig::load(asked.config.as_deref())?;
    match &asked.command {
        ReviewsCommand::List(asked) => list(&config, asked, out),
        ReviewsCommand::Show(asked) => show(&config, asked, out),
        ReviewsCommand::Resolve(asked) => resolve(&config, asked, out),
    }
}

fn list(config: &GateConfig, asked: &ListArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let state = match asked.state {
        State::Pending => ReviewState::Pending,
        State::Resolved => ReviewState::Resolved,
    };
    let mut path = format!("/v1/reviews?state={}&limit={}", text::state(state), asked.limit);
    for (name, value) in [("system", &asked.system), ("after", &asked.after)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    asked.common.asked(
        config,
        |gate| gate.get(&path),
        out,
        |list: &ReviewList, out| {
            list.reviews.iter().try_for_each(|review| writeln!(out, "{}", text::line(review)))?;
            out.flush()?;
            writeln!(io::stderr(), "{}", text::summary(list, state))
        },
    )
}

fn show(config: &GateConfig, asked: &ShowArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let path = format!("/v1/reviews/{}", encoded(&asked.id));
    asked.common.asked(config, |gate| gate.get(&path), out, print)
}

fn resolve(config: &GateConfig, asked: &ResolveArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let outcome = match asked.outcome {
        Outcome::Granted => quell_gate::reviews::Outcome::Granted,
        Outcome::Refused => quell_gate::reviews::Outcome::Refused,
        Outcome::Dismissed => quell_gate::reviews::Outcome::Dismissed,
    };
    let resolving = Resolving {
        by: asked.by.clone(),
        outcome: outcome.as_str().to_owned(),
        changed_proposal: asked.proposal.map(|proposal| proposal == Proposal::Changed),
        note: asked.note.clone(),
    };
    let body = serde_json::to_string(&resolving).context("cannot write the resolution")?;
    let path = format!("/v1/reviews/{}/resolution", encoded(&asked.id));
    asked.common.asked(config, |gate| gate.post(&path, &body), out, print)
}

fn print(review: &Review, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(text::text(review).as_bytes())
}

impl Common {
    /// Asks the gate, and prints what it answers.
    fn asked<T: DeserializeOwned>(
        &self,
        config: &GateConfig,
        ask: impl FnOnce(&Asked<'_>) -> Result<String, Failure>,
        out: &mut dyn Write,
        print: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let http = &config.http;
        // A certificate is for the name that callers know.
        let (scheme, known) = if http.tls.is_some() { ("https", http.url.as_deref()) } else { ("http", None) };
        let gate = Asked::new(
            "gate",
            "quell gate",
            self.url.as_deref().or(known),
            (scheme, http.listen),
            http.reviews_token.as_ref(),
        );
        let answer = ask(&gate)?;
        if self.json {
            writeln!(out, "{answer}")?;
            return Ok(());
        }
        let answer: T = serde_json::from_str(&answer)
            .with_context(|| format!("what answers at {} is no gate of this version", gate.base))?;
        print(&answer, out)?;
        Ok(())
    }
}
