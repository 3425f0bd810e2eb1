//! The server: it listens, answers, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quell_telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connection::BoundedListener;
use crate::limits::Limits;
use crate::routes::{Shared, routes};
use crate::token::Token;
use crate::view::EngineView;

/// How long a stop waits for answers that are under way: longer than any of them takes, shorter than an operator's
/// patience.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen. `http.listen`
    pub listen: SocketAddr,
    /// What a request must show to read identifiers. `http.token`
    pub token: Option<Token>,
    /// What it takes from clients.
    pub limits: Limits,
}

/// The server cannot start; an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would show who is linked to whom to whoever can reach it.
    #[error(
        "http.listen is {listen}, which other machines can reach, and identifiers can be read there: \
         set http.token or http.token_file, or listen on 127.0.0.1"
    )]
    TokenMissing {
        /// `http.listen`
        listen: SocketAddr,
    },
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {listen}: change http.listen, or end what listens there")]
    Listen {
        /// `http.listen`
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl Options {
    /// Whether it may start like that. Needs no socket, so that a wrong configuration is found before anything starts.
    ///
    /// # Errors
    /// [`StartError::TokenMissing`]
    pub fn check(&self) -> Result<(), StartError> {
        if self.token.is_none() && !self.listen.ip().to_canonical().is_loopback() {
            return Err(StartError::TokenMissing { listen: self.listen });
        }
        Ok(())
    }
}

/// A server that answers until it is stopped, or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Listens and answers, on the runtime that it is called on.
    ///
    /// # Errors
    /// When it may not, or cannot.
    pub async fn start(options: Options, metrics: Metrics, view: Arc<dyn EngineView>) -> Result<Self, StartError> {
        options.check()?;
        let listen = options.listen;
        let listener = TcpListener::bind(listen).await.map_err(|source| StartError::Listen { listen, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { listen, source })?;
        let (stop, stopped) = oneshot::channel();
        let listener = BoundedListener::new(listener, options.limits);
        let router = routes(Shared::new(metrics, view, options));
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
                tracing::warn!("some http requests were not answered in time");
            }
        }
    }
}
