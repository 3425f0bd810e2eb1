//! What each command does. One file per command; what it prints goes to `out`, and nothing else does.

mod asking;

pub mod certificate;
pub mod config;
pub mod deadletters;
pub mod emit;
pub mod explain;
pub mod gate;
pub mod keys;
pub mod policy;
pub mod reviews;
pub mod run;
pub mod topics;

use std::io::Write;

use crate::cli::{Arguments, Command, ConfigCommand, PolicyCommand, TopicsCommand};
use crate::failure::Failure;

/// Does what the arguments ask for.
///
/// # Errors
/// When it cannot be done.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let path = arguments.config.as_deref();
    match arguments.command {
        Command::Run => run::run(path),
        Command::Gate(asked) => gate::run(&asked),
        Command::Topics(TopicsCommand::Create(asked)) => topics::create(path, &asked, out),
        Command::Emit(event) => emit::emit(path, &event, out),
        Command::Policy(PolicyCommand::Check(asked)) => policy::check(path, &asked, out),
        Command::Explain(asked) => explain::explain(path, &asked, out),
        Command::Reviews(asked) => reviews::run(&asked, out),
        Command::Deadletters(asked) => deadletters::run(path, &asked, out),
        Command::Keys(asked) => keys::run(&asked, out),
        Command::Certificate(asked) => certificate::run(&asked, out),
        Command::Config(ConfigCommand::Show(asked)) => config::show(path, &asked, out),
    }
}
