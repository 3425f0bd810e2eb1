//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use quell_domain::Millis;

/// Now; 1970 on a machine whose clock stands before it.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
