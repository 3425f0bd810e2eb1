//! What the store promises, one file each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod a_clean_stop_leaves_a_warm_store;
mod a_crash_leaves_what_one_epoch_left;
mod a_foreign_store_is_refused;
mod a_full_disk_fails_the_write;
#[cfg(unix)]
mod a_store_is_for_its_user_alone;
mod a_wiped_shard_is_as_new;
mod an_instance_keeps_its_name;
mod child;
mod memory_stays_within_its_bound;
mod rows_are_read_as_written;
mod scenes;
