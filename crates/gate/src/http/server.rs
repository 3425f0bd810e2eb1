//! The server: it listens, answers, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quell_http::{BoundedListener, Limits, Token};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::routes::{Shared, routes};
use crate::gate::Gate;

/// How long a stop waits for answers that are under way: longer than a decision may wait to be recorded.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

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
pub struct GateServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl GateServer {
    /// Listens and answers, on the runtime that it is called on.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(options: GateOptions, gate: Arc<Gate>) -> Result<Self, GateStartError> {
        let listen = options.listen;
        let failed = |source| GateStartError { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let url = options.url.unwrap_or_else(|| format!("http://{address}"));
        let url = url.trim_end_matches('/').to_owned();
        let limits = Limits {
            connections_max: CONNECTIONS_MAX,
            patience: PATIENCE,
            request_bytes_max: REQUEST_BYTES_MAX,
            ..Limits::default()
        };
        let listener = BoundedListener::new(listener, limits);
        let router = routes(Arc::new(Shared { gate, token: options.token, url }));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Nothing is ever sent: it ends when the other end is dropped.
            let until_dropped = async { drop(stopped.await) };
            axum::serve(listener, router).with_graceful_shutdown(until_dropped).await
        });
        Ok(Self { address, stop, task })
    }

    /// Where it listens: the port that the system chose, if `listen` has port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new requests and waits until those under way are answered, within a deadline.
    pub async fn stop(self) {
        drop(self.stop);
        let aborter = self.task.abort_handle();
        match tokio::time::timeout(STOP_DEADLINE, self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the http server ended with an error"),
            Ok(Err(error)) => tracing::warn!(%error, "the http server ended with an error"),
            Err(_) => {
                aborter.abort();
                tracing::warn!("some questions were not answered in time");
            }
        }
    }
}
