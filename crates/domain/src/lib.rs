//! What an opt-out is: identifiers, rights, choices, links; the policy that declares them; the door that judges what
//! comes in; the calendar of deadlines.
//!
//! Pure: no I/O and no clock. Past the door an [`Identifier`] is normalised, within its limits and of a declared type,
//! and nobody checks again.

mod acknowledgement;
mod calendar;
mod choice;
mod door;
mod duration;
mod identifier;
mod link;
mod nearest;
mod normal;
mod policy;
mod refusal;
mod right;
mod shard;
mod suppression;
mod time;

pub use acknowledgement::{AckOutcome, Acknowledgement};
pub use calendar::{Calendar, CalendarError};
pub use choice::{Action, Choice, ChoiceEvent, ChoiceOrder, EventId, EventIdError, Names};
pub use door::{Judged, RawAck, RawChoice, RawIdentifier, RawLink, judge_ack, judge_choice, judge_link};
pub use duration::{DurationError, parse_duration};
pub use identifier::{Identifier, IdentifierError, uuid_bytes, uuid_text};
pub use link::LinkEvent;
pub use nearest::{nearest, toml_error};
pub use normal::{NormalFormError, hash, hashed_email};
pub use policy::{
    ADMT, ADMT_SYSTEM, AdmtSystem, Alternative, CertificateSubject, Deed, Downstream, DownstreamNumber, Escalate,
    GateAction, IdentifierType, Join, NAME_BYTES_MAX, OnStale, OptOut, Policy, PolicyError, RightPolicy,
    SignificantDecision, TypeNumber, UnknownSubject, is_name,
};
pub use refusal::{Refusal, RefusalCode};
pub use right::{Right, RightSet};
pub use shard::{ShardCount, ShardNumber};
pub use suppression::{RightState, Suppression};
pub use time::Millis;
