//! Measures what arrives: how much, and how long after its cause.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::load::causes::Reached;
use crate::watcher::{Arrival, Heard};

/// The last record that it takes for somebody's opt-out is about to be sent.
#[derive(Clone, Debug)]
pub struct Caused {
    /// The key of the suppressions that must follow.
    pub key: String,
    /// Which opt-out.
    pub by: Reached,
    /// When.
    pub at: Instant,
}

/// Counts arrivals, and times those whose cause is known.
pub struct Meter {
    causes: Receiver<Caused>,
    caused_at: HashMap<(String, Reached), Instant>,
    /// Which downstreams have heard of what, so that only the first time counts.
    heard: HashMap<(String, Reached), Vec<String>>,
    window: Vec<Duration>,
    all: Vec<Duration>,
    /// How many suppressions have arrived, by downstream.
    pub suppressions: BTreeMap<String, u64>,
    /// How many dead letters have arrived, by code.
    pub dead_letters: BTreeMap<String, u64>,
}

impl Meter {
    /// A meter that is told the causes, each before its record is sent.
    #[must_use]
    pub fn new(causes: Receiver<Caused>) -> Self {
        Self {
            causes,
            caused_at: HashMap::new(),
            heard: HashMap::new(),
            window: Vec::new(),
            all: Vec::new(),
            suppressions: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
        }
    }

    /// Something has arrived.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take(&mut self, arrival: Arrival) -> anyhow::Result<()> {
        match arrival {
            Arrival::Suppression(heard) => self.time(&heard),
            Arrival::DeadLetter(refused) => *self.dead_letters.entry(refused.cause.code).or_default() += 1,
            Arrival::Unreadable(what) => bail!(what),
        }
        Ok(())
    }

    fn time(&mut self, heard: &Heard) {
        let Heard { downstream, key, suppression, at } = heard;
        *self.suppressions.entry(downstream.clone()).or_default() += 1;
        // All that was sent before this arrived is in the channel by now.
        for Caused { key, by, at } in self.causes.try_iter() {
            self.caused_at.insert((key, by), at);
        }
        for by in [Reached::BySale, Reached::ByAdmt] {
            if !suppression.rights.get(by.right()).is_some_and(|state| state.opted_out) {
                continue;
            }
            let opt_out = (key.clone(), by);
            let Some(caused_at) = self.caused_at.get(&opt_out) else { continue };
            let heard = self.heard.entry(opt_out).or_default();
            if !heard.contains(downstream) {
                heard.push(downstream.clone());
                self.window.push(at.saturating_duration_since(*caused_at));
            }
        }
    }

    /// How many suppressions have arrived in all.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.suppressions.values().sum()
    }

    /// The times measured since it was last asked.
    pub fn window(&mut self) -> Option<Percentiles> {
        let mut window = std::mem::take(&mut self.window);
        let percentiles = Percentiles::of(&mut window);
        self.all.append(&mut window);
        percentiles
    }

    /// All times measured.
    pub fn all(&mut self) -> Option<Percentiles> {
        self.window();
        Percentiles::of(&mut self.all)
    }
}

/// How long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// How many were measured.
    pub count: usize,
}

impl Percentiles {
    fn of(times: &mut [Duration]) -> Option<Self> {
        let last = times.len().checked_sub(1)?;
        times.sort_unstable();
        let at = |percent: usize| times.get(last * percent / 100).copied();
        Some(Self { p50: at(50)?, p99: at(99)?, count: times.len() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc::channel;

    use quell_wire::{NamedIdentifier, RightMessage, SuppressionMessage};

    use super::*;

    fn heard(downstream: &str, right: &str, opted_out: bool, at: Instant) -> Arrival {
        let state = RightMessage { opted_out, choice_id: "c".to_owned(), since: 0, inherited: true, due_at: 0 };
        let suppression = SuppressionMessage {
            identifier: NamedIdentifier::new("cookie_id", "x"),
            downstream: downstream.to_owned(),
            version: 1,
            suppressed: opted_out,
            rights: [(right.to_owned(), state)].into(),
            published_at: 0,
        };
        let (downstream, key) = (downstream.to_owned(), "cookie_id:x".to_owned());
        Arrival::Suppression(Heard { downstream, key, suppression, at })
    }

    #[test]
    fn a_suppression_is_timed_once_per_downstream_and_only_from_a_known_cause() {
        let (sender, causes) = channel();
        let mut meter = Meter::new(causes);
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        meter.take(heard("ads", "sale", true, after(5))).unwrap();
        assert_eq!(meter.window(), None, "its cause is not known");
        sender.send(Caused { key: "cookie_id:x".to_owned(), by: Reached::BySale, at: start }).unwrap();
        meter.take(heard("ads", "admt", true, after(10))).unwrap();
        meter.take(heard("ads", "sale", false, after(15))).unwrap();
        meter.take(heard("ads", "sale", true, after(20))).unwrap();
        meter.take(heard("ads", "sale", true, after(500))).unwrap();
        meter.take(heard("analytics", "sale", true, after(30))).unwrap();
        let (p50, p99) = (Duration::from_millis(20), Duration::from_millis(20));
        assert_eq!(meter.window(), Some(Percentiles { p50, p99, count: 2 }));
        assert_eq!(meter.window(), None);
        assert_eq!(meter.all().map(|all| all.count), Some(2));
        assert_eq!(meter.arrived(), 6);
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let (p50, p99) = (Duration::from_millis(100), Duration::from_millis(198));
        assert_eq!(Percentiles::of(&mut times), Some(Percentiles { p50, p99, count: 200 }));
        assert_eq!(Percentiles::of(&mut []), None);
    }
}
