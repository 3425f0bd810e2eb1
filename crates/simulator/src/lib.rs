//! Seeded runs of the real engine over a simulated cluster, disk and clock, against the model.
//!
//! ```text
//! seed ──> Scenario ──> Run ──┬─> Engine ──> Member (the log port) ──> Cluster: partitions, transactions, the group
//!                             ├─> Engine ──> Disk (the store port)          │
//!                             └─> …                                         v
//!                                                        invariants (docs/invariants.md), after each step
//! ```
//!
//! What a step is, is chance: a record arrives; an engine takes one turn; a commit gets one piece further; a marker of a
//! transaction reaches a partition; a changelog is compacted; an instance dies and forgets what it had not flushed, or is
//! taken for dead and comes back, or joins, or leaves. All chance comes from the seed, so that a failure can be replayed.
//!
//! [`Broken`] breaks a rule of the log on purpose: a run of some thousand seeds must notice each.

mod broken;
mod cluster;
mod disk;
mod events;
mod invariants;
mod member;
mod run;
mod scenario;
mod waiting;

pub use broken::Broken;
pub use invariants::Violation;
pub use run::{Covered, run};
