//! Durations as they stand in files.

use std::time::Duration;

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a duration; write a number and ms, s, m, h or d, as in \"10s\"")]
pub struct DurationError(String);

/// A whole number and its unit: `500ms`, `10s`, `5m`, `2h`, `1d`.
///
/// # Errors
/// When the text is none.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(error)?;
    let number: u64 = number.parse().map_err(|_| error())?;
    let millis = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(error)
}
