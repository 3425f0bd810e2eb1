//! How fast the load goes: at a given rate, or as fast as the engine keeps up with.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What may be on its way to the engine when no rate is given. Enough that it never has to wait for us between two looks
/// at its counters; no more, since whatever waits there is measured as propagation.
const ON_THE_WAY_MAX: u64 = 20_000;
/// Looking at the clock costs more than sending, so it is done every so many records.
const LOOK_EVERY: u64 = 64;
/// How long to wait at a time.
const NAP: Duration = Duration::from_millis(1);

/// Shared by the thread that sends and the one that watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records sent.
    pub sent: AtomicU64,
    /// Records that the engine has committed.
    pub taken: AtomicU64,
    /// Set when sending makes no sense any more.
    pub stop: AtomicBool,
}

/// Keeps to the rate.
pub struct Pace<'p> {
    rate: Option<f64>,
    began_at: Instant,
    progress: &'p Progress,
}

impl<'p> Pace<'p> {
    /// So many records per second, or as many as the engine takes.
    #[must_use]
    pub fn new(rate: Option<f64>, progress: &'p Progress) -> Self {
        Self { rate, began_at: Instant::now(), progress }
    }

    /// Waits until the record of a number may be sent; false if none may any more.
    #[must_use]
    pub fn wait(&self, number: u64) -> bool {
        if !number.is_multiple_of(LOOK_EVERY) && self.rate.is_none() {
            return true;
        }
        while !self.progress.stop.load(Ordering::Relaxed) {
            if self.is_due(number) {
                return true;
            }
            thread::sleep(NAP);
        }
        false
    }

    fn is_due(&self, number: u64) -> bool {
        match self.rate {
            #[expect(clippy::cast_precision_loss, reason = "a load has far less than 2^52 records")]
            Some(rate) => number as f64 <= self.began_at.elapsed().as_secs_f64() * rate,
            None => number < self.progress.taken.load(Ordering::Relaxed) + ON_THE_WAY_MAX,
        }
    }
}

/// How far a counter has come, which begins anew when the engine does.
#[derive(Debug, Default)]
pub struct Advance {
    last: Option<f64>,
    total: f64,
}

impl Advance {
    /// Takes the counter's value; answers by how much it has grown since the first look.
    pub fn look(&mut self, value: f64) -> u64 {
        self.total += match self.last {
            None => 0.0,
            Some(last) if value < last => value,
            Some(last) => value - last,
        };
        self.last = Some(value);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of records")]
        let total = self.total as u64;
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_rate_no_more_is_on_the_way_than_may_be() {
        let progress = Progress::default();
        let pace = Pace::new(None, &progress);
        assert!(pace.is_due(ON_THE_WAY_MAX - 1));
        assert!(!pace.is_due(ON_THE_WAY_MAX));
        progress.taken.store(1, Ordering::Relaxed);
        assert!(pace.is_due(ON_THE_WAY_MAX));
        progress.stop.store(true, Ordering::Relaxed);
        assert!(!pace.wait(LOOK_EVERY * ON_THE_WAY_MAX));
    }

    #[test]
    fn a_rate_is_kept() {
        let progress = Progress::default();
        let pace = Pace::new(Some(10_000.0), &progress);
        assert!(pace.wait(0));
        assert!(pace.wait(100));
        assert!(pace.began_at.elapsed() >= Duration::from_millis(10));
    }

    #[test]
    fn a_counter_that_begins_anew_goes_on() {
        let mut advance = Advance::default();
        assert_eq!([100.0, 150.0, 20.0, 30.0].map(|value| advance.look(value)), [0, 50, 70, 80]);
    }
}
