//! The server: it listens, answers, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quell_telemetry::Metrics;

use crate::limits::Limits;
use crate::routes::{Shared, routes};
use crate::same_machine::is_for_this_machine;
use crate::serving::Serving;
use crate::token::Token;
use crate::view::EngineView;

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
        if self.token.is_none() && !is_for_this_machine(self.listen) {
            return Err(StartError::TokenMissing { listen: self.listen });
        }
        Ok(())
    }
}

/// A server that answers until it is stopped, or dropped.
#[derive(Debug)]
pub struct Server(Serving);

impl Server {
    /// Listens and answers, on the runtime that it is called on.
    ///
    /// # Errors
    /// When it may not, or cannot.
    pub async fn start(options: Options, metrics: Metrics, view: Arc<dyn EngineView>) -> Result<Self, StartError> {
        options.check()?;
        let (listen, limits) = (options.listen, options.limits);
        let serving = Serving::start(listen, limits, None, |_| routes(Shared::new(metrics, view, options))).await;
        serving.map(Self).map_err(|source| StartError::Listen { listen, source })
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
