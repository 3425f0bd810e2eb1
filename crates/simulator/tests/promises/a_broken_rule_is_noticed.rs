//! The simulator can fail: with any rule broken on purpose, some seed violates the invariant that names it.

use quell_simulator::{Broken, run};

/// The rarest takes some three thousand.
const SEEDS_MAX: u64 = 40_000;

/// Some seed notices it.
fn noticed(broken: Broken) {
    noticed_from(0, broken);
}

/// Some seed does, and the first is far away.
fn noticed_from(first: u64, broken: Broken) {
    let mut seeds = first..first + SEEDS_MAX;
    assert!(seeds.any(|seed| run(seed, Some(broken)).is_err()), "{SEEDS_MAX} seeds did not notice {broken:?}");
}

/// Some seed violates the invariant that names it. Others may meet one that follows from it before.
fn violates(broken: Broken, invariant: &str) {
    let is_it = |seed| run(seed, Some(broken)).is_err_and(|violation| violation.invariant == invariant);
    assert!((0..SEEDS_MAX).any(is_it), "{SEEDS_MAX} seeds with {broken:?} did not violate {invariant}");
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
    noticed_from(8_000, Broken::OldRows);
}

#[test]
fn records_written_after_the_fence_was_passed() {
    noticed(Broken::OffsetsFirst);
}

#[test]
fn a_store_that_is_written_before_the_log_has_committed() {
    violates(Broken::EarlyCommit, "T2");
}

#[test]
fn inputs_that_are_not_read_again_after_a_failure() {
    violates(Broken::NoRewind, "F1");
}

#[test]
fn effects_without_their_offsets() {
    noticed(Broken::NoOffsets);
}

#[test]
fn a_look_that_stops_too_early() {
    violates(Broken::LookToStable, "W2");
}

#[test]
fn news_that_is_on_its_way_under_a_later_wave_than_its_own() {
    violates(Broken::NoRepeat, "W2");
}
