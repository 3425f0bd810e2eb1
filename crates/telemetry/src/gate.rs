//! The gate's metrics, and what happens at it.
//!
//! A gate is a process of its own, so it has a registry of its own. A decision moves its metrics and has no line in the
//! log: it has its record.

mod events;
mod metrics;

pub use events::{
    CopyDiscarded, CopyOpened, GateEvent, GateFailed, GateReady, GateStarted, GateStopped, GateStopping,
    GateWaitsForRegistry, KeysRead, KeysRefused, PolicyRefused, PolicyTaken, RecordsDelivered, ReviewNotUnderstood,
    ReviewResolvedTwice, SpoolStalled,
};
pub use metrics::{GateMetrics, GateValues, Refused};
