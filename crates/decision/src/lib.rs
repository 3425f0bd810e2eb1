//! Whether an inference about a consumer may be made, and why.
//!
//! ```text
//! Change ──> Suppressions (hash -> rights, location) <── look ── decide ──> Verdict
//!                 │                                                │
//!                 └── FullRecords: the local copy, a file          ├── Rules: the policy, as the gate holds to it
//!                                                                  └── Timeline, Watermarks: how old what is known is
//! ```
//!
//! Pure: no Kafka, no file, no clock. What errs, errs on the consumer's side: whatever cannot be known is a deny.

mod decide;
mod freshness;
mod reason;
mod right_bits;
mod rules;
mod state;
mod suppressions;
mod table;

pub use decide::{Freshness, NamedChoice, Obligation, Question, Subject, Verdict, decide};
pub use freshness::{Timeline, Watermark, Watermarks};
pub use reason::Reason;
pub use right_bits::{RightBits, RightMask};
pub use rules::{Rules, RulesError};
pub use state::{Change, RightStanding, State, StateError};
pub use suppressions::{Applied, FullRecords, Look, Suppressions};
pub use table::Location;
