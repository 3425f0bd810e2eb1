//! What the simulator promises: that the engine holds its invariants, and that it would notice if it did not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod a_broken_rule_is_noticed;
mod every_seed_holds_the_invariants;
