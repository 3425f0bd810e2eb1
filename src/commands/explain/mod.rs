//! `quell explain`: asks a running engine what it knows of an identifier.

mod text;

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use quell_http::Explanation;

use super::asking::{Asked, encoded};
use crate::config::Config;
use crate::failure::Failure;
use crate::values::IdentifierArgument;

/// Arguments of `quell explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The identifier. A raw e-mail address means its hash: email=jane@example.com
    #[arg(value_name = "TYPE=VALUE")]
    identifier: IdentifierArgument,
    /// Where the engine's HTTP address is [default: http.listen of the configuration]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print what the engine answers, for a machine
    #[arg(long)]
    json: bool,
}

/// Prints what the engine knows.
///
/// # Errors
/// When it does not answer, or knows nothing.
pub fn explain(path: Option<&Path>, asked: &ExplainArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let url = asked.url.as_deref();
    let engine = Asked::new("engine", "quell run", url, ("http", config.http.listen), config.http.token.as_ref());
    let identifier = &asked.identifier.0;
    let (named, value) = (encoded(&identifier.identifier_type), encoded(&identifier.value));
    let answer = engine.get(&format!("/v1/identifiers/{named}/{value}"))?;
    if asked.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let explanation: Explanation = serde_json::from_str(&answer)
        .with_context(|| format!("what answers at {} is no engine of this version", engine.base))?;
    out.write_all(text::text(&explanation).as_bytes())?;
    Ok(())
}
