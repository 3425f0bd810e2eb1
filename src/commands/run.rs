//! `quell run`

use std::path::Path;

use anyhow::Context as _;
use quell_http::{Options, raise_descriptor_limit};
use quell_telemetry::logging;

use crate::config::Config;
use crate::failure::Failure;
use crate::{parts, policy, run};

/// Runs the engine until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration or the policy cannot be used, or an operator must act.
pub fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    parts::kafka(&config, &policy)?;
    let http =
        Options { listen: config.http.listen, token: config.http.token.clone(), limits: quell_http::Limits::default() };
    http.check().map_err(|error| Failure::Usage(error.into()))?;
    raise_descriptor_limit();
    logging::init(config.log.format, &config.log.level).context("cannot log")?;
    Ok(run::run(&config, policy)?)
}
