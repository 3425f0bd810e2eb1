//! The server: it listens, answers, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quell_http::{Limits, Serving, Token};

use super::routes::{Shared, routes};
use crate::gate::Gate;

/// An enforcement point keeps its connections for as long as it likes; a dead one is noticed some time.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The largest body, and headers.
const REQUEST_BYTES_MAX: usize = (1 << 20) + (64 << 10);

/// More enforcement points than one gate serves.
const CONNECTIONS_MAX: usize = 4_096;

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// Where to listen. `http.listen`
    pub listen: SocketAddr,
    /// What a question must show. `http.token`
    pub token: Option<Token>,
    /// Where callers find this gate. `http.url`
    pub url: Option<String>,
}

/// The server cannot start; an operator must act.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: change http.listen, or end what listens there")]
pub struct GateStartError {
    /// `http.listen`
    pub listen: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// A server that answers until it is stopped, or dropped.
#[derive(Debug)]
pub struct GateServer(Serving);

impl GateServer {
    /// Listens and answers, on the runtime that it is called on.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(options: GateOptions, gate: Arc<Gate>) -> Result<Self, GateStartError> {
        let GateOptions { listen, token, url } = options;
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            patience: PATIENCE,
            request_bytes_max: REQUEST_BYTES_MAX,
            ..Limits::default()
        };
        let serving = Serving::start(listen, limits, |address| {
            let url = url.unwrap_or_else(|| format!("http://{address}"));
            let url = url.trim_end_matches('/').to_owned();
            routes(Arc::new(Shared { gate, token, url }))
        });
        serving.await.map(Self).map_err(|source| GateStartError { listen, source })
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
