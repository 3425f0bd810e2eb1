//! The gate: answers before an inference. A reader of one downstream's suppressions that needs nothing else of the
//! engine.

mod gate;

pub mod http;
pub mod local_copy;
pub mod spool;

pub use gate::{Gate, Parts, Unanswered};
