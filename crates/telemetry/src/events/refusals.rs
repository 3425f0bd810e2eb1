//! Records that were refused, summed up: a producer gone wrong must not fill the log as well.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use quell_domain::RefusalCode;

use super::Event;
use crate::metrics::Metrics;
use crate::throttle::Throttle;

/// How often at most refused records have a line.
const EVERY: Duration = Duration::from_secs(10);

/// Records were refused and are dead letters since this was last said. Their metric has moved already, with the epoch
/// that committed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsRefused {
    /// How many, by code.
    pub by_code: BTreeMap<RefusalCode, u64>,
}

impl Event for RecordsRefused {
    fn emit(&self, _: &Metrics) {
        let records: u64 = self.by_code.values().sum();
        tracing::warn!(
            target: "quell::records",
            records,
            codes = %ByCode(&self.by_code),
            "records refused; see `quell deadletters list`"
        );
    }
}

/// `malformed=3 future=1`
struct ByCode<'a>(&'a BTreeMap<RefusalCode, u64>);

impl fmt::Display for ByCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (code, count)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{code}={count}")?;
        }
        Ok(())
    }
}

/// Refusals that have had no line yet.
#[derive(Debug)]
pub struct Refusals {
    by_code: BTreeMap<RefusalCode, u64>,
    throttle: Throttle,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { by_code: BTreeMap::new(), throttle: Throttle::new(EVERY) }
    }
}

impl Refusals {
    /// Adds an epoch's.
    pub fn add(&mut self, code: RefusalCode, records: u64) {
        *self.by_code.entry(code).or_default() += records;
    }

    /// What to say now: the first at once, those that follow together.
    pub fn due(&mut self, now: Instant) -> Option<RecordsRefused> {
        if self.by_code.is_empty() || !self.throttle.passes(now) {
            return None;
        }
        Some(RecordsRefused { by_code: std::mem::take(&mut self.by_code) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_said_at_once_and_those_that_follow_together() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(refusals.due(at(0)), None);
        refusals.add(RefusalCode::Malformed, 1);
        assert_eq!(refusals.due(at(1)).map(|said| ByCode(&said.by_code).to_string()).as_deref(), Some("malformed=1"));
        refusals.add(RefusalCode::Malformed, 2);
        assert_eq!(refusals.due(at(2)), None);
        refusals.add(RefusalCode::Future, 1);
        refusals.add(RefusalCode::Malformed, 1);
        let said = refusals.due(at(11)).map(|said| ByCode(&said.by_code).to_string());
        assert_eq!(said.as_deref(), Some("malformed=3 future=1"));
        assert_eq!(refusals.due(at(30)), None);
    }
}
