//! The wire: bytes to events and back, and why a record is refused.
//!
//! ```text
//! C3 01 fingerprint ─┬─ ours ──> avro (straight from the bytes) ──┐
//! 00 registry id ────┴─ other ─> resolution (apache-avro) ────────┼─> RawChoice, RawLink, RawAck ──> the door
//! { ───────────────────────────> json ────────────────────────────┘                (quell-domain)
//! ```

mod avro;
mod decoder;
mod encoder;
mod json;
mod message;
mod registry;
mod resolution;

pub mod dead_letter;
pub mod schemas;

pub use decoder::{DecodeError, Decoder};
pub use encoder::{EncodeError, Encoder, Format};
pub use message::{
    AckMessage, ChoiceMessage, DecisionMessage, LinkMessage, NamedIdentifier, ResolutionMessage, ReviewMessage,
    RightMessage, SuppressionMessage, WatermarkMessage,
};
pub use registry::{Registry, RegistryError};
