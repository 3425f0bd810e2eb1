//! The ids of decisions.

use std::sync::atomic::{AtomicU64, Ordering};

use quell_domain::Millis;

use crate::spool::DecisionId;

/// Ids in the form of UUID version 7: by time, and unique by the process' random part and a count.
#[derive(Debug)]
pub(crate) struct DecisionIds {
    process: [u8; 4],
    count: AtomicU64,
}

impl DecisionIds {
    pub fn new() -> std::io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let [process @ .., a, b, c, d] = random;
        // The count begins anywhere: two processes with the same random part still differ.
        Ok(Self { process, count: AtomicU64::new(u64::from(u32::from_le_bytes([a, b, c, d]))) })
    }

    pub fn next(&self, now: Millis) -> DecisionId {
        let [_, _, a, b, c, d, e, f] = now.0.to_be_bytes();
        let [.., h, i, j, k, l] = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [m, n, o, p] = self.process;
        [a, b, c, d, e, f, 0x70 | (h & 0x0f), m, 0x80 | (n & 0x3f), o, p, 0, i, j, k, l]
    }
}

/// When a decision was made: the first 48 bits of its id (RFC 9562, 5.7).
pub(crate) fn decided_at(id: DecisionId) -> Millis {
    let [a, b, c, d, e, f, ..] = id;
    Millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use std::collections::BTreeSet;

    use quell_domain::uuid_text;

    use super::*;

    #[test]
    fn ids_are_of_version_7_and_each_is_its_own() {
        let ids = DecisionIds::new().unwrap();
        let made: BTreeSet<DecisionId> = (0..100_000).map(|_| ids.next(Millis(1_790_000_000_000))).collect();
        assert_eq!(made.len(), 100_000);
        let text = uuid_text(made.first().unwrap());
        assert_eq!(decided_at(*made.first().unwrap()), Millis(1_790_000_000_000));
        assert!(text.starts_with("01a0c450-6c00-7") && matches!(text.as_bytes()[19], b'8'..=b'b'), "{text}");
    }
}
