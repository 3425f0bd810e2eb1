//! Watches calls of librdkafka that must come back in time, and sometimes do not.
//!
//! `rd_kafka_send_offsets_to_transaction` does not keep its time-out while it waits for a group coordinator, and when
//! that broker has gone from the cluster's metadata it waits until some other broker's state changes, which may be never
//! (librdkafka issues 5456 and 5511). A thread that hangs in there cannot be called back, but it can be left behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call that should have come back is still waited for, from when that was first seen: a process that stood
/// still sees all of its calls overdue for a moment.
const GRACE: Duration = Duration::from_secs(3);

/// The call that a thread is in, as whoever watches it sees it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Option<Call>>>);

#[derive(Clone, Copy, Debug)]
struct Call {
    due: Instant,
    overdue_since: Option<Instant>,
}

impl Watch {
    /// Makes a call that should come back within `limit`.
    pub fn call<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> T {
        *self.lock() = Some(Call { due: Instant::now() + limit, overdue_since: None });
        let result = call();
        *self.lock() = None;
        result
    }

    /// Whether a call should have come back long ago. To be asked over and over.
    pub fn hangs(&self, now: Instant) -> bool {
        let mut call = self.lock();
        let Some(call) = call.as_mut().filter(|call| now >= call.due) else { return false };
        let since = *call.overdue_since.get_or_insert(now);
        now.duration_since(since) >= GRACE
    }

    fn lock(&self) -> MutexGuard<'_, Option<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_call_hangs_when_it_is_overdue_and_stays_so() {
        let watch = Watch::default();
        let began = Instant::now();
        assert!(!watch.hangs(began + LIMIT * 100), "nobody calls");
        watch.call(LIMIT, || {
            assert!(!watch.hangs(began + LIMIT / 2));
            let late = began + LIMIT * 2;
            assert!(!watch.hangs(late), "it may be us who stood still");
            assert!(!watch.hangs(late + GRACE / 2));
            assert!(watch.hangs(late + GRACE));
        });
        assert!(!watch.hangs(began + LIMIT * 100), "it came back");
    }
}
