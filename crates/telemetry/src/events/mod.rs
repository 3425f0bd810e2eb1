//! What happens, as structs with their facts. [`Event::emit`] writes one line of the log and moves the metrics.
//!
//! Levels: `error` wakes somebody, `warn` is read in the morning, `info` is a change of state, `debug` is the pulse.
//! Nothing is written per record: an epoch is the smallest thing that has a line.
//!
//! A line's target says what it is about (`quell::epoch`, `quell::shards`), not where in the code it was written, so
//! that `log.level` can be set by it.

mod broker;
mod epoch;
mod group;
mod life;
mod policies;
mod progress;
mod refusals;
mod registry;
mod shards;

pub use broker::{BrokerBack, BrokerUnreachable};
pub use epoch::{EpochCommitted, EpochFailed, Propagated};
pub use group::{InputsPaused, PartitionsAssigned, PartitionsLost, PartitionsRevoked};
pub use life::{EngineFailed, EngineStarted, EngineStopped, EngineStopping, HttpListening, StoreOpened};
pub use policies::{EpochPanicked, PartitionAhead, PoliciesCompared, RevisionProgressed};
pub use progress::{PartitionLag, ProgressReported, ShardState, TopicLag};
pub use refusals::{RecordsRefused, Refusals};
pub use registry::{RegistryBack, RegistryUnavailable};
pub use shards::{
    ChangelogRead, ChangelogTruncated, RestoreProgressed, ShardRestored, ShardStale, StandingBy, StoreDamaged,
};

use crate::metrics::Metrics;

/// Something that happened.
pub trait Event {
    /// Writes its line and moves its metrics.
    fn emit(&self, metrics: &Metrics);
}
