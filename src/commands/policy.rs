//! `quell policy check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use quell_decision::RightBits;

use crate::config::{Config, GateConfig};
use crate::failure::Failure;
use crate::{gate, policy};

/// Arguments of `quell policy check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Whether the gate can hold to it, by gate.toml unless --config says otherwise
    #[arg(long)]
    gate: bool,
}

/// Says whether the policy is valid.
///
/// # Errors
/// When it is not.
pub fn check(path: Option<&Path>, asked: &CheckArguments, out: &mut dyn Write) -> Result<(), Failure> {
    if asked.gate {
        return check_for_the_gate(path, out);
    }
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    writeln!(
        out,
        "{} is valid: version {}, {}, {}, {}",
        config.policy_path.display(),
        policy.version(),
        counted(policy.identifier_types().len(), "identifier type"),
        counted(policy.rights().len(), "right"),
        counted(policy.downstreams().len(), "downstream"),
    )?;
    Ok(())
}

fn check_for_the_gate(path: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let config = GateConfig::load(path)?;
    let rules = gate::rules(&config, &RightBits::default())?;
    writeln!(
        out,
        "{} is valid for the gate, which reads {}: version {}, {}",
        config.policy_path.display(),
        rules.topic(),
        rules.version(),
        counted(rules.systems().len(), "system"),
    )?;
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
