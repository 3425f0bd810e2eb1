//! Instants, in milliseconds.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// An instant: milliseconds since the Unix epoch, as in the schemas and in Kafka's timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Add<Duration> for Millis {
    type Output = Self;

    /// Later by a duration; the end of time at most.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
