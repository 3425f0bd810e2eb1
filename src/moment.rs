//! Times on the command line and in the terminal: RFC 3339 in, RFC 3339 in UTC out.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use quell_domain::{Millis, parse_duration};

/// A time that somebody typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Millis);

/// Text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// A point in time was asked for.
    #[error("write it as in 2026-11-23T18:00:00Z, or in milliseconds since 1970")]
    NoTime,
    /// A point in time, or how long ago, was asked for.
    #[error("write it as in 2026-11-23T18:00:00Z, or how long ago, as in 90s, 15m, 2h or 7d")]
    NeitherTimeNorAge,
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(millis) = text.parse() {
            return Ok(Self(Millis(millis)));
        }
        let timestamp: Timestamp = text.parse().map_err(|_| MomentError::NoTime)?;
        Ok(Self(Millis(timestamp.as_millisecond())))
    }
}

/// A time that somebody typed, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub Millis);

impl FromStr for Since {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(age) = parse_duration(text) {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            return Ok(Self(Millis(now().0.saturating_sub(age))));
        }
        text.parse().map(|Moment(at)| Self(at)).map_err(|_| MomentError::NeitherTimeNorAge)
    }
}

/// This machine's clock.
pub fn now() -> Millis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// As people and machines read it: `2026-11-23T18:00:00.000Z`.
pub fn rfc3339(at: Millis) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        Err(_) => format!("{} ms", at.0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_time_may_have_any_offset_or_be_in_milliseconds() {
        let millis = |text: &str| text.parse::<Moment>().map(|moment| moment.0.0);
        assert_eq!(millis("2026-11-23T18:00:00Z"), Ok(1_795_456_800_000));
        assert_eq!(millis("2026-11-23T10:00:00.5-08:00"), Ok(1_795_456_800_500));
        assert_eq!(millis("1795456800000"), Ok(1_795_456_800_000));
        for wrong in ["", "yesterday", "2026-11-23", "2026-11-23T18:00:00", "2h"] {
            assert_eq!(millis(wrong), Err(MomentError::NoTime), "{wrong}");
        }
    }

    #[test]
    fn a_time_may_be_how_long_ago() {
        let before = now();
        let Since(at) = "2h".parse().unwrap();
        assert!((before.0 - 7_200_000..=now().0 - 7_200_000).contains(&at.0));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Since(Millis(1_000))));
        assert_eq!("soon".parse::<Since>(), Err(MomentError::NeitherTimeNorAge));
    }

    #[test]
    fn a_time_is_shown_in_utc_to_the_millisecond() {
        assert_eq!(rfc3339(Millis(1_795_456_800_500)), "2026-11-23T18:00:00.500Z");
        assert_eq!(rfc3339(Millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Millis(i64::MAX)), "9223372036854775807 ms");
    }
}
