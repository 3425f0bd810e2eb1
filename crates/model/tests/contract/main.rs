//! The contract's points of the final state, each as examples small enough to be checked by eye.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod events;
mod point_1_links;
mod point_2_own_choices;
mod point_3_hubs;
mod point_4_reach;
mod point_5_effective_state;
mod point_6_suppressions;
mod point_7_named_choices;
mod point_8_due_at;
mod scale;
