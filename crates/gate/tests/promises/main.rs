//! What is promised of the gate, asked over a real socket.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod a_certificate_says_what_was_recorded;
mod a_decision_is_recorded_before_it_is_answered;
mod envoy_is_told_whether_to_go_on;
mod evaluations_are_answered_in_order;
mod no_identifier_leaves_the_gate;
mod reviews_are_opened_and_resolved;
mod running;
mod the_certification_scenario_passes;
mod the_musts_of_authzen_hold;
