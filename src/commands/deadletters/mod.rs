//! `quell deadletters …`: refused records, looked at and put back.

mod list;
mod replay;
mod selection;

use std::io::Write;
use std::path::Path;

use clap::Subcommand;
use quell_kafka::{ReadRecord, Settings, TopicReadError, read_topic};

use crate::config::Config;
use crate::failure::Failure;
use crate::{parts, policy};

/// `quell deadletters …`
#[derive(Debug, Subcommand)]
pub enum DeadlettersCommand {
    /// List refused records: when, why, and where they came from
    List(list::ListArguments),
    /// Put refused records back where they came from, as they were
    #[command(
        after_help = "Key, value, headers and timestamp are those of the original record. A dead letter stays where \
                      it is: run again, it is put back again, which does no harm to what has taken effect, and doubles \
                      what is still refused. Use --since to leave out what was put back before."
    )]
    Replay(replay::ReplayArguments),
}

/// Does what is asked for.
///
/// # Errors
/// When Kafka does not do its part.
pub fn run(path: Option<&Path>, command: &DeadlettersCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    let settings = parts::kafka(&config, &policy)?;
    match command {
        DeadlettersCommand::List(asked) => list::list(&settings, asked, out),
        DeadlettersCommand::Replay(asked) => replay::replay(&settings, asked, out),
    }
}

/// Reads the dead letters' topic to its end.
fn read_letters(settings: &Settings, each: impl FnMut(ReadRecord)) -> Result<(), Failure> {
    read_topic(settings, &settings.topics.dead_letters, each).map_err(|error| match error {
        TopicReadError::NoTopic(_) => Failure::failed(format!("{error}; make it by `quell topics create`")),
        error => {
            let brokers = &settings.bootstrap_servers;
            let context = format!("cannot read the dead letters at {brokers} (kafka.bootstrap_servers)");
            Failure::Failed(anyhow::Error::new(error).context(context))
        }
    })
}
