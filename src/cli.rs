//! The command line: what may be said, and what is said when something else is.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{certificate, config, deadletters, emit, explain, gate, keys, policy, reviews, topics};
use crate::failure::Failure;

/// Behind a command's own options.
pub const LAST: usize = 900;

/// Carries a consumer's opt-out to every identifier of theirs, in every downstream, exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "quell",
    version,
    max_term_width = 100,
    arg_required_else_help = false,
    after_help = "Every key of the configuration can be overridden by the environment: \
                  QUELL_KAFKA__BOOTSTRAP_SERVERS for kafka.bootstrap_servers, and of the gate's \
                  QUELL_GATE_KAFKA__BOOTSTRAP_SERVERS.\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or policy."
)]
pub struct Arguments {
    /// The configuration [default: quell.toml]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

/// What `quell` can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine until SIGTERM, which makes it commit what it has begun and end with 0
    ///
    /// It waits for brokers that are away and goes on when they are back. It ends by itself, with 1, only where an
    /// operator must act.
    Run,
    /// Run the gate until SIGTERM: it answers before an inference whether the consumer has opted out
    ///
    /// Every decision is recorded before it is answered. It waits for brokers that are away; what it knows grows old
    /// meanwhile, and that is what it answers by. It ends by itself, with 1, only where an operator must act.
    Gate(gate::GateArguments),
    /// Make the topics
    #[command(subcommand, arg_required_else_help = false)]
    Topics(TopicsCommand),
    /// Publish one event by hand, for a try or a fix
    #[command(subcommand, arg_required_else_help = false)]
    Emit(emit::EmitCommand),
    /// Look at the policy
    #[command(subcommand, arg_required_else_help = false)]
    Policy(PolicyCommand),
    /// Show what is known of an identifier, and why it is suppressed
    Explain(explain::ExplainArguments),
    /// Look at what the gate has left to humans, and record how they decide
    #[command(arg_required_else_help = false)]
    Reviews(reviews::ReviewsArguments),
    /// Look at refused records, and put them back
    #[command(subcommand, arg_required_else_help = false)]
    Deadletters(deadletters::DeadlettersCommand),
    /// Make and list the keys that sign decisions' certificates
    #[command(subcommand, arg_required_else_help = false)]
    Keys(keys::KeysCommand),
    /// Look at the certificate of a decision
    #[command(subcommand, arg_required_else_help = false)]
    Certificate(certificate::CertificateCommand),
    /// Look at the configuration
    #[command(subcommand, arg_required_else_help = false)]
    Config(ConfigCommand),
}

/// `quell topics …`
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make every topic that is missing, and say what is wrong with the others
    #[command(
        after_help = "Topics that are there are left alone, so it can be repeated. It ends with 1 if anything is \
                            wrong with what it found."
    )]
    Create(topics::CreateArguments),
}

/// `quell policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say whether the policy is valid
    Check(policy::CheckArguments),
}

/// `quell config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the configuration that holds, without its secrets
    Show(config::ShowArguments),
}

/// Reads the arguments of this process.
///
/// # Errors
/// When they are wrong; and when they ask for help or the version, which is then said already.
pub fn parse() -> Result<Arguments, Failure> {
    Arguments::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => Failure::Done,
            Err(error) => error.into(),
        },
        _ => Failure::usage(one_line(&error)),
    })
}

/// Clap's paragraphs as one line that ends with where to read on.
fn one_line(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let paragraphs = rendered.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines = paragraphs.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let mut said = String::new();
    for line in lines {
        let between = if said.ends_with(':') { " " } else { "; " };
        said.push_str(if said.is_empty() { "" } else { between });
        said.push_str(line.trim_start_matches("error: ").trim_start_matches("tip: "));
    }
    format!("{said}; see `{} --help`", command_that_was_meant())
}

/// As far as it was understood: `quell topics create`.
fn command_that_was_meant() -> String {
    let (mut command, mut called) = (Arguments::command(), "quell".to_owned());
    for word in std::env::args().skip(1) {
        if let Some(below) = command.find_subcommand(&word).cloned() {
            called = format!("{called} {}", below.get_name());
            command = below;
        }
    }
    called
}
