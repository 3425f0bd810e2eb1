//! What has to be there before anything can run: it is asked for until somebody answers, and the outage is said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use quell_kafka::{Checked, TopicAdmin, TopicPlan, TopicsError};
use quell_telemetry::Throttle;

/// How long one question to the brokers waits: whoever asks the process to stop waits as long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before asking again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How often an outage is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What came of a question.
pub enum Asked<T> {
    Answered(T),
    /// Nobody answers, for this reason.
    Away(String),
}

/// What there is to say of an outage.
pub enum Outage<'a> {
    Lasts { reason: &'a str, lasted: Duration },
    Over { lasted: Duration },
}

/// Asks until there is an answer. None if it is to stop before.
///
/// # Errors
/// When an operator must act.
pub fn for_answer<T>(
    stop: &AtomicBool,
    mut ask: impl FnMut() -> anyhow::Result<Asked<T>>,
    say: impl Fn(Outage<'_>),
) -> anyhow::Result<Option<T>> {
    let (began, mut said) = (Instant::now(), Throttle::new(SAY_EVERY));
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        match ask()? {
            Asked::Answered(answer) => {
                if was_away {
                    say(Outage::Over { lasted: began.elapsed() });
                }
                return Ok(Some(answer));
            }
            Asked::Away(reason) => {
                was_away = true;
                if said.passes(Instant::now()) {
                    say(Outage::Lasts { reason: &reason, lasted: began.elapsed() });
                }
                std::thread::sleep(ASK_AGAIN);
            }
        }
    }
    Ok(None)
}

/// Whether topics are as they should be, for [`for_answer`]. What only weakens is said.
///
/// # Errors
/// When one of them stops whoever needs it.
pub fn checked_topics(admin: &TopicAdmin, plans: &[TopicPlan]) -> anyhow::Result<Asked<Checked>> {
    let checked = match admin.check(plans) {
        Ok(checked) => checked,
        Err(error @ TopicsError::Unreachable(_)) => return Ok(Asked::Away(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let (stops, weakens): (Vec<_>, Vec<_>) = checked.findings.iter().partition(|finding| finding.stops);
    for finding in weakens {
        tracing::warn!("{finding}");
    }
    if !stops.is_empty() {
        let texts: Vec<&str> = stops.iter().map(|finding| finding.text.as_str()).collect();
        bail!("{}", texts.join("; "));
    }
    Ok(Asked::Answered(checked))
}
