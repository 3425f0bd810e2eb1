//! What is promised of a decision, held against a naive model.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod an_identifier_costs_at_most_40_bytes;
mod copy;
mod every_reason_has_its_question;
mod nothing_is_permitted_that_the_state_forbids;
