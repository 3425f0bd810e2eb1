//! The server: it listens, answers, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quell_http::{Limits, Serving, Tls, TlsError, TlsFiles, Token, is_for_this_machine};

use super::routes::{Shared, routes};
use crate::gate::Gate;

/// An enforcement point asks often, and keeps its connections; one that is idle for so long gives its place to others.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

/// The largest body, and headers.
const REQUEST_BYTES_MAX: usize = (1 << 20) + (64 << 10);

/// More enforcement points than one gate serves.
const CONNECTIONS_MAX: usize = 4_096;

/// The spool and the copy have a handful of files open, and each client of Kafka a connection to every broker.
const DESCRIPTORS_KEPT: usize = 256;

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// Where to listen. `http.listen`
    pub listen: SocketAddr,
    /// What a question must show. `http.token`
    pub token: Option<Token>,
    /// What whoever sees and resolves reviews must show; without it nobody does. `reviews.token`
    pub reviews_token: Option<Token>,
    /// Where callers find this gate. `http.url`
    pub url: Option<String>,
    /// What it shows of itself, over HTTPS then. `http.tls_certificate`, `http.tls_key`
    pub tls: Option<TlsFiles>,
}

/// The server cannot start; an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum GateStartError {
    /// It would tell whoever can reach it who has opted out.
    #[error(
        "http.listen is {listen}, which other machines can reach, and it can be asked there who has opted out: \
         set http.token or http.token_file, or listen on 127.0.0.1"
    )]
    TokenMissing {
        /// `http.listen`
        listen: SocketAddr,
    },
    /// It has nothing to show of itself.
    #[error("see http.tls_certificate and http.tls_key: {0}")]
    Tls(#[from] TlsError),
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {listen}: change http.listen, or end what listens there")]
    Listen {
        /// `http.listen`
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl GateOptions {
    /// Whether it may start like that. Needs no socket, so that a wrong configuration is found before anything starts.
    ///
    /// # Errors
    /// [`GateStartError::TokenMissing`]
    pub fn check(&self) -> Result<(), GateStartError> {
        if self.token.is_none() && !is_for_this_machine(self.listen) {
            return Err(GateStartError::TokenMissing { listen: self.listen });
        }
        Ok(())
    }
}

/// A server that answers until it is stopped, or dropped.
#[derive(Debug)]
pub struct GateServer(Serving);

impl GateServer {
    /// Listens and answers, on the runtime that it is called on.
    ///
    /// # Errors
    /// When it may not, or cannot.
    pub async fn start(options: GateOptions, gate: Arc<Gate>) -> Result<Self, GateStartError> {
        options.check()?;
        let GateOptions { listen, token, reviews_token, url, tls } = options;
        let tls = tls.as_ref().map(Tls::read).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            descriptors_kept: DESCRIPTORS_KEPT,
            patience: PATIENCE,
            request_bytes_max: REQUEST_BYTES_MAX,
            ..Limits::default()
        };
        let serving = Serving::start(listen, limits, tls, |address| {
            let url = url.unwrap_or_else(|| format!("{scheme}://{address}"));
            let url = url.trim_end_matches('/').to_owned();
            routes(Arc::new(Shared { gate, token, reviews_token, url }))
        });
        serving.await.map(Self).map_err(|source| GateStartError::Listen { listen, source })
    }

    /// Where it listens: the port that the system chose, if `listen` has port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Takes no new requests and waits until those under way are answered, within a deadline.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}
