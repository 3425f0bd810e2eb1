//! The other instances, as far as the graph topic tells of them: which policies they run.

use std::collections::BTreeMap;
use std::time::Duration;

use quell_domain::Millis;

/// How often an instance tells the owners of the other shards of its policy. Costs one small transaction.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long what was told counts: an instance that has gone tells nothing any more.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// What is known of the others' policies.
#[derive(Debug)]
pub struct Others {
    policy: u64,
    /// By the fingerprint of a policy other than ours: when it was last seen.
    seen: BTreeMap<u64, Millis>,
    tell_at: Millis,
}

impl Others {
    /// Nothing is known yet. `policy` is the fingerprint of our own.
    pub fn new(policy: u64) -> Self {
        Self { policy, seen: BTreeMap::new(), tell_at: Millis(0) }
    }

    /// A record of the graph topic was written under a policy.
    pub fn saw(&mut self, policy: u64, written_at: Millis) {
        if policy != self.policy {
            let last = self.seen.entry(policy).or_insert(written_at);
            *last = written_at.max(*last);
        }
    }

    /// Whether an instance that runs another policy is about. While one is, nothing relaxes: the safe side.
    pub fn differ(&self, now: Millis) -> bool {
        self.seen.values().any(|written_at| *written_at + COUNTS_FOR > now)
    }

    /// Whether it is time to tell the others of our own policy; if so, the next time is later.
    pub fn is_time_to_tell(&mut self, now: Millis) -> bool {
        let is_time = now >= self.tell_at;
        if is_time {
            self.tell_at = now + TELL_EVERY;
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_policy_counts_while_it_was_seen_of_late() {
        let mut others = Others::new(1);
        others.saw(1, Millis(1_000));
        assert!(!others.differ(Millis(1_000)));
        others.saw(2, Millis(1_000));
        assert!(others.differ(Millis(30_999)));
        assert!(!others.differ(Millis(31_000)));
    }
}
