//! What happens: each event one log line and its metrics.
//!
//! [`events`] are structs with the facts of something that happened. [`Event::emit`] writes the line and moves the
//! metrics, so that a log and a dashboard cannot tell two stories:
//!
//! ```text
//! engine, log ──> EpochCommitted { … }.emit(&metrics) ──┬──> tracing ──> stderr   (logging)
//!                                                       └──> Metrics ──> /metrics (definitions)
//! ```

pub mod definitions;
pub mod events;
pub mod gate;
pub mod labels;
pub mod logging;

mod consumer_lag;
mod metrics;
mod throttle;

pub use events::Event;
pub use labels::{CommitFailure, Direction, InputPause, LabelValues, Outcome, Rebalance, RelaxationCause};
pub use metrics::{Metrics, RenderError, TEXT_FORMAT};
pub use throttle::Throttle;
