//! What one server takes from whoever can reach it, so that nobody outside can use up the engine's memory or time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Those beyond wait until others are closed.
    pub connections_max: usize,
    /// Descriptors that connections leave to the rest of the process: where it may have few, connections are fewer.
    pub descriptors_kept: usize,
    /// How long a connection may be without an answer: while it sends its request, while it takes the answer, or idle.
    /// Longer than an explanation takes, and than Prometheus' usual pause between two scrapes.
    pub patience: Duration,
    /// Bytes of a request. An identifier of the largest size, percent-encoded, takes a tenth of it.
    pub request_bytes_max: usize,
    /// Bytes of a path and its query.
    pub path_bytes_max: usize,
    /// Requests of one kind a second: reads of identifiers, scrapes of the metrics, and wrong tokens are counted apart.
    pub requests_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            // An engine's store takes up to 512, and its clients one for each broker.
            descriptors_kept: 768,
            patience: Duration::from_secs(30),
            request_bytes_max: 32 * 1024,
            path_bytes_max: 8 * 1024,
            requests_per_second: 100,
        }
    }
}

/// Lets through so many a second; after a pause, those of two seconds at once.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Pace {
    pub fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, state: Mutex::new((2.0 * per_second, now)) }
    }

    /// Whether one more may pass.
    pub fn passes(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, last) = *state;
        let grown = left + now.saturating_duration_since(last).as_secs_f64() * self.per_second;
        let left = grown.min(2.0 * self.per_second);
        let passes = left >= 1.0;
        *state = (if passes { left - 1.0 } else { left }, now.max(last));
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let begin = Instant::now();
        let pace = Pace::new(10, begin);
        let passing = |at: Instant| (0..1_000).filter(|_| pace.passes(at)).count();
        assert_eq!(passing(begin), 20);
        assert_eq!(passing(begin + Duration::from_millis(50)), 0);
        assert_eq!(passing(begin + Duration::from_secs(1)), 10);
        assert_eq!(passing(begin + Duration::from_secs(3_600)), 20);
        assert_eq!(passing(begin), 0, "a clock that goes back gives nothing");
    }
}
