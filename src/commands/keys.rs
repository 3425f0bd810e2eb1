//! `quell keys`: the keys that sign decisions' certificates.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quell_certificate::{RotateError, SubjectSecret};
use quell_domain::parse_duration;
use quell_gate::certificates::{KeyDirectory, Keys};
use serde_json::json;

use crate::cli::LAST;
use crate::config::GateConfig;
use crate::failure::Failure;
use crate::moment::{now, rfc3339};

/// `quell keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the first key, which is used at once, and what subjects are hashed with
    #[command(after_help = "The files are for every gate of the deployment, and secret: whoever has them can sign.")]
    Generate(KeysArguments),
    /// Make the next key: published now, used after some time
    #[command(after_help = "A running gate takes it up by itself. What the keys before it signed stays verifiable.")]
    Rotate(RotateArguments),
    /// Print all keys, with the times of their lives
    List(ListArguments),
}

/// Where the keys are.
#[derive(Debug, Args)]
pub struct KeysArguments {
    /// The gate's configuration, whose keys.path is meant [default: gate.toml]
    #[arg(long, value_name = "FILE", display_order = LAST)]
    config: Option<PathBuf>,
}

/// Arguments of `quell keys rotate`.
#[derive(Debug, Args)]
pub struct RotateArguments {
    #[command(flatten)]
    keys: KeysArguments,
    /// When it is used; by then all who verify must have fetched the keys anew, which takes them up to an hour
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = parse_duration)]
    after: Duration,
}

/// Arguments of `quell keys list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    keys: KeysArguments,
    /// Print a JSON object a line, for a machine
    #[arg(long)]
    json: bool,
}

/// Does what the arguments ask for.
///
/// # Errors
/// When it cannot be done.
pub fn run(command: &KeysCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        KeysCommand::Generate(asked) => generate(asked, out),
        KeysCommand::Rotate(asked) => rotate(asked, out),
        KeysCommand::List(asked) => list(asked, out),
    }
}

impl KeysArguments {
    fn read(&self) -> Result<(KeyDirectory, Keys), Failure> {
        let directory = KeyDirectory::new(GateConfig::load(self.config.as_deref())?.keys_path);
        let keys = directory.read_if_there().context("cannot read the keys")?;
        Ok((directory, keys))
    }
}

fn generate(asked: &KeysArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (directory, keys) = asked.read()?;
    let path = directory.path().display();
    let key = match keys.ring.first(&random()?, now()) {
        // The keys that sign are there, and what subjects are hashed with was lost: that alone is made anew.
        Err(_) if keys.subject_secret.is_none() => None,
        first => Some(first.context("cannot make a key")?),
    };
    // First what a key needs: a gate that finds the key alone could certify nothing.
    if keys.subject_secret.is_none() {
        directory.add_subject_secret(&SubjectSecret::new(random()?)).context("cannot write")?;
    }
    match key {
        Some(key) => {
            directory.add(&key).context("cannot write")?;
            writeln!(out, "made the key {} in {path}: used from now on", key.id())?;
        }
        None => writeln!(out, "made subject.jwk in {path}: another than before makes other subject keys")?,
    }
    Ok(())
}

fn rotate(asked: &RotateArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (directory, keys) = asked.keys.read()?;
    let key = keys.ring.next(&random()?, now(), asked.after).map_err(|error| match error {
        RotateError::TooEarly => Failure::Usage(anyhow::Error::new(error).context("--after is too short")),
        RotateError::NoKey(_) | RotateError::IsPending(_) => {
            Failure::Failed(anyhow::Error::new(error).context("cannot make a key"))
        }
    })?;
    directory.add(&key).context("cannot write")?;
    let (path, used_from) = (directory.path().display(), rfc3339(key.used_from()));
    writeln!(out, "made the key {} in {path}: published now, used from {used_from} on", key.id())?;
    Ok(())
}

fn list(asked: &ListArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (_, keys) = asked.keys.read()?;
    for (key, state, retired_at) in keys.ring.keys(now()) {
        let (id, state) = (key.id(), state.as_str());
        if asked.json {
            let line = json!({
                "kid": id.as_str(),
                "state": state,
                "published_at": key.published_at().0,
                "used_from": key.used_from().0,
                "retired_at": retired_at.map(|at| at.0),
            });
            writeln!(out, "{line}")?;
        } else {
            let (published_at, used_from) = (rfc3339(key.published_at()), rfc3339(key.used_from()));
            let until = retired_at.map_or_else(String::new, |at| format!(" until {}", rfc3339(at)));
            writeln!(out, "{id}  {state:<9}  published {published_at}, used from {used_from}{until}")?;
        }
    }
    Ok(())
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes)
}
