//! What the simulator promises: that the engine holds its invariants, and that it would notice if it did not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]
#![allow(clippy::print_stdout, reason = "a failed test shows its seed")]

mod a_broken_rule_is_noticed;
mod every_seed_holds_the_invariants;
