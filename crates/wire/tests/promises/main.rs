//! What the wire promises, one file each.
//!
//! A failure prints its smallest input and the seed; `QUELL_SEED=n` runs that seed again, `QUELL_CASES=n` that many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod another_version_of_a_schema_is_resolved;
mod messages;
mod no_input_panics;
mod seeds;
mod versions;
mod what_is_encoded_is_decoded_again;
