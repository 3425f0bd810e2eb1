//! Health, metrics and reads of identifiers over HTTP.
//!
//! | path | who asks | answer |
//! |---|---|---|
//! | `GET /health/live` | whoever restarts what hangs | 200 |
//! | `GET /health/ready` | whoever sends work, or rolls out | 200, or 503 and what it waits for |
//! | `GET /metrics` | Prometheus | every metric, as text |
//! | `GET /v1/identifiers/{type}/{value}` | `quell explain` | an [`Explanation`], as JSON |
//!
//! The last one shows who is linked to whom. It is answered on loopback alone, or to those who have the [`Token`].
//!
//! What is taken from clients is bounded by [`Limits`]: connections, bytes, time, and requests a second.
//!
//! The engine is known through [`EngineView`] only, and no request waits on a thread of the engine or of tokio.

mod connection;
mod descriptors;
mod explanation;
mod limits;
mod problem;
mod routes;
mod same_machine;
mod server;
mod serving;
mod tls;
mod token;
mod view;

pub use descriptors::raise_descriptor_limit;
pub use explanation::{
    CauseStep, Delivery, Edge, EffectiveRight, Explanation, HeldRelaxation, NamedIdentifier, OwnChoice, PublishedRight,
};
pub use limits::Limits;
pub use problem::Problem;
pub use same_machine::{is_for_this_machine, is_meant_for_this_machine};
pub use server::{Options, Server, StartError};
pub use serving::Serving;
pub use tls::{Tls, TlsError, TlsFiles};
pub use token::{Token, TokenError};
pub use view::{EngineView, ExplainError, Readiness};
