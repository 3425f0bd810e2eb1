//! How often something may be said.

use std::time::{Duration, Instant};

/// Lets one through in a while. Whoever reports something that goes on asks it first.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    every: Duration,
    last: Option<Instant>,
}

impl Throttle {
    /// Lets the first one through, and from then on one each `every`.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// Whether this one may pass.
    pub fn passes(&mut self, now: Instant) -> bool {
        let passes = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if passes {
            self.last = Some(now);
        }
        passes
    }

    /// The next one passes, whenever it comes.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_in_each_interval_and_one_after_a_reset() {
        let (mut throttle, begin) = (Throttle::new(Duration::from_secs(10)), Instant::now());
        let mut passes = |seconds| throttle.passes(begin + Duration::from_secs(seconds));
        assert_eq!([0, 1, 9, 10, 11, 35].map(&mut passes), [true, false, false, true, false, true]);
        throttle.reset();
        assert!(throttle.passes(begin + Duration::from_secs(36)));
    }
}
