//! What listens and answers until it is told to stop, whatever it answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connection::BoundedListener;
use crate::descriptors::connections_max;
use crate::limits::Limits;
use crate::tls::Tls;

/// How long a stop waits for answers that are under way: longer than any of them takes, shorter than an operator's
/// patience.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// A router that is served, within limits, until it is stopped, or dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Serving {
    /// Listens and answers, over TLS if it is given, on the runtime that it is called on. The router may depend on where
    /// that is.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(
        listen: SocketAddr,
        limits: Limits,
        tls: Option<Tls>,
        router: impl FnOnce(SocketAddr) -> Router,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let limits = Limits { connections_max: connections_max(&limits), ..limits };
        let listener = BoundedListener::new(listener, limits, tls);
        let router = router(address);
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
                tracing::warn!("some http requests were not answered in time");
            }
        }
    }
}
