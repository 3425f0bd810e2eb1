//! What the graph promises: whatever order its operations come in, it ends in the state that the contract defines, and
//! says it once. The model that says which state that is knows nothing of the graph.
//!
//! A failure prints its smallest scenario and the seed; `QUELL_SEED=n` runs that seed again, `QUELL_CASES=n` that many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]
#![allow(clippy::print_stdout, reason = "a failed test shows its seed")]

mod a_due_relaxation_hides_no_change_of_policy;
mod a_hub_that_ceases_takes_back_what_was_remembered;
mod any_order_ends_in_the_models_state;
mod deployment;
mod large_shapes_converge;
mod memory_rows;
mod relaxations_wait;
mod scenario;
mod waves;
