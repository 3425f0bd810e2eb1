//! The engine: records in; suppressions, dead letters and the changelog out; exactly once.
//!
//! ```text
//!           ┌────────────────────────── Engine::turn ───────────────────────────┐
//! Log ──> Backlog ──> intake ──> supersteps ──> Draft ──> Computed ──> Log::commit ──> Store::write
//!           (bounded)  (decode,    (shards,       (outputs)             (Kafka first)   (then the disk)
//!                       judge)      quell-graph)
//! ```
//!
//! It knows Kafka and the disk only through two ports, [`log::Log`] and [`store::Store`]; time through a function.

pub mod engine;
pub mod epoch;
pub mod handle;
pub mod intake;
pub mod log;
pub mod observer;
pub mod store;

mod backlog;
mod caution;
mod others;
mod shard_life;
mod supersteps;
mod waves;

pub use engine::{Engine, EngineError, Settings};
pub use handle::{Handle, LookError, Readiness};
