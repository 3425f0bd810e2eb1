//! `quell explain`: asks a running engine what it knows of an identifier.

mod text;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use quell_http::{Explanation, Problem};

use crate::config::Config;
use crate::failure::Failure;
use crate::values::IdentifierArgument;

/// The engine answers between two epochs, and says so after five seconds if it cannot.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

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
    let base = match &asked.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", reachable(config.http.listen)),
    };
    let identifier = &asked.identifier.0;
    let (named, value) = (encoded(&identifier.identifier_type), encoded(&identifier.value));
    let answer = ask(&base, &format!("/v1/identifiers/{named}/{value}"), &config)?;
    if asked.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let explanation: Explanation = serde_json::from_str(&answer)
        .with_context(|| format!("what answers at {base} is no engine of this version"))?;
    out.write_all(text::text(&explanation).as_bytes())?;
    Ok(())
}

fn ask(base: &str, path: &str, config: &Config) -> Result<String, Failure> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_DEADLINE)).http_status_as_error(false).build();
    let mut request = ureq::Agent::new_with_config(agent).get(format!("{base}{path}"));
    if let Some(token) = &config.http.token {
        request = request.header("authorization", format!("Bearer {}", token.reveal()));
    }
    let no_answer = |error| {
        Failure::failed(format!(
            "no engine answers at {base} ({error}); start one by `quell run`, or say where it is by --url"
        ))
    };
    let mut response = request.call().map_err(no_answer)?;
    let body = response.body_mut().read_to_string().map_err(no_answer)?;
    if response.status().is_success() {
        return Ok(body);
    }
    let said = serde_json::from_str(&body).map(|problem: Problem| problem.error);
    let said = said.unwrap_or_else(|_| format!("what answers at {base} is no engine: {}", response.status()));
    // The identifier, as it was asked for, is none.
    Err(if response.status() == 400 { Failure::usage(said) } else { Failure::failed(said) })
}

/// An address that listens everywhere is reached on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

/// As it stands in a path: all but what never needs it is percent-encoded (RFC 3986).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_value_is_percent_encoded() {
        assert_eq!(encoded("7f3c-_~"), "7f3c-_~");
        // A value of dots alone would otherwise be a step up.
        assert_eq!(encoded(".."), "%2E%2E");
        assert_eq!(encoded("a/b?c d@ö"), "a%2Fb%3Fc%20d%40%C3%B6");
    }

    #[test]
    fn an_address_that_listens_everywhere_is_asked_on_this_machine() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(reached("[::]:9464"), "[::1]:9464");
        assert_eq!(reached("10.0.0.7:9464"), "10.0.0.7:9464");
    }
}
