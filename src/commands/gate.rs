//! `quell gate`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use quell_http::raise_descriptor_limit;
use quell_telemetry::logging;

use crate::cli::LAST;
use crate::config::GateConfig;
use crate::failure::Failure;
use crate::gate;

/// Arguments of `quell gate`.
#[derive(Debug, Args)]
pub struct GateArguments {
    /// The gate's configuration [default: gate.toml]
    #[arg(long, value_name = "FILE", display_order = LAST)]
    config: Option<PathBuf>,
}

/// Runs the gate until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration or the policy cannot be used, or an operator must act.
pub fn run(asked: &GateArguments) -> Result<(), Failure> {
    let config = GateConfig::load(asked.config.as_deref())?;
    config.http.check().map_err(|error| Failure::Usage(error.into()))?;
    raise_descriptor_limit();
    logging::init(config.log.format, &config.log.level).context("cannot log")?;
    gate::run(&config)
}
