//! What a newcomer sees: a story and a load on a running engine, and an independent check of what came out.
//!
//! All of it is a client of the contract from outside: it writes to the input topics, reads the output topics, and asks
//! `/metrics`. It knows nothing of how the engine works.
//!
//! ```text
//! story ─┬─> sender ──> Kafka ──> Quell ──> Kafka ──> watcher ─┬─> story: what follows each step
//! load ──┘                 │                  │                └─> load: how much, how fast
//!                          └──────> check <───┘   all topics read back, against quell-model
//! ```

mod arguments;
mod chance;
mod check;
mod clock;
mod load;
mod metrics;
mod sender;
mod story;
mod summary;
mod terminal;
mod topics;
mod watcher;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use quell_domain::Policy;

use crate::arguments::Arguments;
use crate::metrics::Metrics;
use crate::sender::Sender;
use crate::terminal::Terminal;
use crate::topics::Topics;
use crate::watcher::Watcher;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed standard error does not want to know.
            drop(writeln!(io::stderr(), "quell-demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let unreadable = || format!("cannot use the policy {}", arguments.policy.display());
    let policy =
        Policy::parse(&fs::read_to_string(&arguments.policy).with_context(unreadable)?).with_context(unreadable)?;
    let topics = Topics::new(&arguments.prefix, &policy);
    let seed = arguments.seed.unwrap_or_else(|| clock::now().0.unsigned_abs());
    let metrics = Metrics::new(&arguments.http);
    // The cheapest thing that tells whether there is an engine at all.
    metrics.scrape()?;

    let mut terminal = Terminal::new();
    terminal.line(format!("Quell's demo, seed {seed}: a story, then a load, then a check of every topic."))?;
    let watcher = Watcher::start(&arguments.bootstrap, &topics)?;
    let sender = Sender::new(&arguments.bootstrap, &topics)?;
    let around = story::Surroundings {
        policy: &policy,
        tag: tag(seed),
        relax_after: arguments.relax_after,
        sender: &sender,
        watcher: &watcher,
        metrics: &metrics,
    };
    story::play(around, &mut terminal)?;

    let around = load::Surroundings {
        policy: &policy,
        consumers: arguments.consumers,
        rate: arguments.rate,
        seed,
        relax_after: arguments.relax_after,
        sender: &sender,
        watcher: &watcher,
        metrics: &metrics,
    };
    let outcome = load::run(&around, &mut terminal)?;
    drop(watcher);

    let report = check::run(&arguments.bootstrap, &topics, &policy, &mut terminal)?;
    summary::show(&outcome, &report, &mut terminal)?;
    if !report.is_right() {
        bail!("what the topics hold is not what the contract demands; seed {seed}");
    }
    Ok(())
}

/// Short, and another one for each seed: names of the story end with it.
fn tag(seed: u64) -> String {
    format!("{:05x}", chance::mix(seed) >> 44)
}

#[cfg(test)]
mod tests {
    use quell_domain::Policy;

    /// The policy that the demo runs with.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub fn policy() -> Policy {
        Policy::parse(include_str!("../../../deploy/policy.toml")).unwrap()
    }
}
