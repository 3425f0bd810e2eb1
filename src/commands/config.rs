//! `quell config show`

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;

use crate::config::{RawConfig, Written, masked, process_environment};
use crate::failure::Failure;

/// Arguments of `quell config show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Print the defaults instead: a file to begin with
    #[arg(long)]
    defaults: bool,
}

/// Prints the configuration that holds, as a file that says the same.
///
/// # Errors
/// When it cannot be used.
pub fn show(path: Option<&Path>, asked: &ShowArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let raw = if asked.defaults {
        RawConfig::default()
    } else {
        let written = Written::read(path, process_environment())?;
        written.resolve()?;
        masked(written.raw().clone())
    };
    let text = toml::to_string(&raw).context("cannot write the configuration as TOML")?;
    out.write_all(text.as_bytes())?;
    Ok(())
}
