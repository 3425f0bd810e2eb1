//! The simulator can fail: with any rule of the log broken on purpose, some seed violates the invariant that names it.

use quell_simulator::{Broken, run};

/// The rarest takes some three thousand.
const SEEDS_MAX: u64 = 40_000;

/// What the first seed to notice it says.
fn noticed(broken: Broken) -> String {
    let violation = (0..SEEDS_MAX).find_map(|seed| run(seed, Some(broken)).err());
    violation.unwrap_or_else(|| panic!("{SEEDS_MAX} seeds did not notice {broken:?}")).invariant.to_owned()
}

#[test]
fn a_zombie_that_is_not_fenced() {
    noticed(Broken::NoFence);
}

#[test]
fn a_restore_that_stops_at_the_last_stable_offset() {
    noticed(Broken::RestoreToStable);
}

#[test]
fn rows_so_old_that_the_changelog_has_forgotten_deletions_since() {
    noticed(Broken::OldRows);
}

#[test]
fn records_written_after_the_fence_was_passed() {
    noticed(Broken::OffsetsFirst);
}

#[test]
fn a_store_that_is_written_before_the_log_has_committed() {
    assert_eq!(noticed(Broken::EarlyCommit), "T2");
}

#[test]
fn inputs_that_are_not_read_again_after_a_failure() {
    assert_eq!(noticed(Broken::NoRewind), "F1");
}

#[test]
fn effects_without_their_offsets() {
    noticed(Broken::NoOffsets);
}

#[test]
fn a_look_that_stops_too_early() {
    assert_eq!(noticed(Broken::LookToStable), "W2");
}
