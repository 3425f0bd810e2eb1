//! Rights by name as bits of the index.
//!
//! A record names rights as the engine's policy did when it was written; the gate's policy may be another, and changes.
//! So the bits belong to names, for as long as the process lives.

use std::sync::{Arc, PoisonError, RwLock};

/// The bit of all names that came when the others were taken. It says that some right is opted out, and the full record
/// says which.
const OTHERS: u32 = 63;

/// Which bits of the index matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RightMask(pub(crate) u64);

impl RightMask {
    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The bits that were given out.
#[derive(Debug, Default)]
pub struct RightBits(RwLock<Vec<Arc<str>>>);

impl RightBits {
    /// The bit of a name: its own, or that of all others.
    #[must_use]
    pub fn of(&self, name: &str) -> RightMask {
        let known = position(&self.0.read().unwrap_or_else(PoisonError::into_inner), name);
        RightMask(1 << known.unwrap_or_else(|| self.give(name)))
    }

    fn give(&self, name: &str) -> u32 {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = position(&names, name) {
            return known;
        }
        match u32::try_from(names.len()) {
            Ok(next) if next < OTHERS => {
                names.push(name.into());
                next
            }
            _ => OTHERS,
        }
    }
}

fn position(names: &[Arc<str>], name: &str) -> Option<u32> {
    names.iter().position(|known| **known == *name).and_then(|at| u32::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_name_has_its_bit_and_those_that_come_too_late_share_one() {
        let bits = RightBits::default();
        let first: Vec<RightMask> = (0..63).map(|number| bits.of(&format!("right-{number}"))).collect();
        assert_eq!(first.iter().fold(0, |all, mask| all | mask.0).count_ones(), 63);
        assert_eq!(bits.of("right-7"), first[7]);
        assert_eq!(bits.of("late"), RightMask(1 << OTHERS));
        assert_eq!(bits.of("later"), bits.of("late"));
    }
}
