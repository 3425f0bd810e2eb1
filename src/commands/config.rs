//! `quell config show`

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;

use crate::config::{ConfigFile, RawConfig, RawGateConfig, Written, masked, process_environment};
use crate::failure::Failure;

/// Arguments of `quell config show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Print the defaults instead: a file to begin with
    #[arg(long)]
    defaults: bool,
    /// That of the gate, which is gate.toml unless --config says otherwise
    #[arg(long)]
    gate: bool,
}

/// Prints the configuration that holds, as a file that says the same.
///
/// # Errors
/// When it cannot be used.
pub fn show(path: Option<&Path>, asked: &ShowArguments, out: &mut dyn Write) -> Result<(), Failure> {
    if asked.gate { show_one::<RawGateConfig>(path, asked, out) } else { show_one::<RawConfig>(path, asked, out) }
}

fn show_one<F: ConfigFile>(path: Option<&Path>, asked: &ShowArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let raw = if asked.defaults {
        F::default()
    } else {
        let written = Written::<F>::read(path, process_environment())?;
        written.resolve()?;
        masked(written.raw)
    };
    let text = toml::to_string(&raw).context("cannot write the configuration as TOML")?;
    out.write_all(text.as_bytes())?;
    Ok(())
}
