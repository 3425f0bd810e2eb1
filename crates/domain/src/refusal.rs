//! Refusals: why a record is a dead letter.

use std::fmt;

/// The contract's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// It cannot be decoded.
    Malformed,
    /// A rule of the schemas' docs is broken.
    Invalid,
    /// The policy does not declare the identifier type.
    UnknownType,
    /// The policy does not declare the right.
    UnknownRight,
    /// The policy lists sources, and not this one.
    UnknownSource,
    /// The source may not do that.
    UntrustedSource,
    /// The value is on its type's block list.
    BlockedValue,
    /// A time is further ahead of the engine's clock than `max_clock_skew`.
    Future,
    /// The policy does not declare the downstream.
    UnknownDownstream,
    /// The engine could not deal with it.
    Internal,
}

impl RefusalCode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Invalid,
        Self::UnknownType,
        Self::UnknownRight,
        Self::UnknownSource,
        Self::UntrustedSource,
        Self::BlockedValue,
        Self::Future,
        Self::UnknownDownstream,
        Self::Internal,
    ];

    /// As it stands in headers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::UnknownType => "unknown_type",
            Self::UnknownRight => "unknown_right",
            Self::UnknownSource => "unknown_source",
            Self::UntrustedSource => "untrusted_source",
            Self::BlockedValue => "blocked_value",
            Self::Future => "future",
            Self::UnknownDownstream => "unknown_downstream",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: RefusalCode,
    /// For whoever mends it: what is wrong, and where. Holds no value of an identifier.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
