//! What commands ask of a running engine, or gate, over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quell_http::{Problem, Token};
use ureq::Error;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::failure::Failure;

/// An engine answers between two epochs, and says so after five seconds if it cannot; a gate is faster.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// What answers.
pub struct Asked<'a> {
    /// `engine`, or `gate`.
    pub what: &'static str,
    /// How one is started.
    pub started_by: &'static str,
    /// Where it is, without a slash at the end.
    pub base: String,
    /// What it wants to be shown.
    pub token: Option<&'a Token>,
}

impl<'a> Asked<'a> {
    /// At a URL, or where it listens, by a scheme.
    pub fn new(
        what: &'static str,
        started_by: &'static str,
        url: Option<&str>,
        (scheme, listen): (&str, SocketAddr),
        token: Option<&'a Token>,
    ) -> Self {
        let base = match url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{scheme}://{}", reachable(listen)),
        };
        Self { what, started_by, base, token }
    }

    /// The body of an answer.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        let mut request = agent().get(format!("{}{path}", self.base));
        if let Some(bearer) = self.bearer() {
            request = request.header("authorization", bearer);
        }
        self.answered(request.call())
    }

    /// The same, with a body of JSON.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn post(&self, path: &str, body: &str) -> Result<String, Failure> {
        let mut request = agent().post(format!("{}{path}", self.base)).header("content-type", "application/json");
        if let Some(bearer) = self.bearer() {
            request = request.header("authorization", bearer);
        }
        self.answered(request.send(body))
    }

    fn bearer(&self) -> Option<String> {
        self.token.map(|token| format!("Bearer {}", token.reveal()))
    }

    fn answered(&self, response: Result<Response<ureq::Body>, Error>) -> Result<String, Failure> {
        let Self { what, started_by, base, .. } = self;
        let no_answer = |error| {
            let trust = if base.starts_with("https://") {
                "; if its certificate is of an authority of yours, name that by SSL_CERT_FILE"
            } else {
                ""
            };
            Failure::failed(format!(
                "no {what} answers at {base} ({error}); start one by `{started_by}`, or say where it is by --url{trust}"
            ))
        };
        let mut response = response.map_err(no_answer)?;
        let body = response.body_mut().read_to_string().map_err(no_answer)?;
        if response.status().is_success() {
            return Ok(body);
        }
        let said = serde_json::from_str(&body).map(|problem: Problem| problem.error);
        let said = said.unwrap_or_else(|_| format!("what answers at {base} is no {what}: {}", response.status()));
        // What was asked for is none.
        let is_usage = response.status() == StatusCode::BAD_REQUEST;
        Err(if is_usage { Failure::usage(said) } else { Failure::failed(said) })
    }
}

fn agent() -> ureq::Agent {
    // Trusted is whom this machine trusts.
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_DEADLINE)).tls_config(tls);
    ureq::Agent::new_with_config(config.http_status_as_error(false).build())
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

/// As it stands in a path or a query: all but what never needs it is percent-encoded (RFC 3986).
pub fn encoded(text: &str) -> String {
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
