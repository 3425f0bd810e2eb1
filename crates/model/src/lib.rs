//! The final state as the contract defines it, computed naively from the whole set of accepted events.
//!
//! It is the oracle of the property tests, of the simulator and of the tests on a real Kafka: whatever order, repeats,
//! partitions, crashes and rebalances the events went through, what the engine published in the end must agree with
//! it. So it knows nothing of how the engine works, and each function below is one point of the contract, "What the
//! final state is":
//!
//! ```text
//! World ──> edges (1) ──> hubs (3) ──> sources (4) ──> effective (5), may be named (7) ──> FinalState
//!   └─────> choices by identifier, own (2) ──────────────┘                                     │
//!                                        published ──> disagreements (6, 7, 8) <───────────────┘
//! ```
//!
//! A million events take some seconds while what belongs together stays small: every identifier's reach is walked, but
//! for those that surely share one.

mod comparison;
mod final_state;
mod steps;

pub use final_state::{Effective, FinalState, IdentifierState, World, final_state};
