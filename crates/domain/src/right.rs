//! Rights, as the policy numbers them.

/// A right: its place in the policy. Only within one process; what is stored or sent goes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right(pub u8);

impl Right {
    /// A policy has at most so many rights, those of its ADMT systems included.
    pub const MAX: usize = 64;
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RightSet(u64);

impl RightSet {
    /// No right.
    pub const EMPTY: Self = Self(0);

    /// Whether a right is in it.
    #[must_use]
    pub fn contains(self, right: Right) -> bool {
        self.0 & bit(right) != 0
    }

    /// Puts a right in.
    pub fn insert(&mut self, right: Right) {
        self.0 |= bit(right);
    }

    /// Takes a right out.
    pub fn remove(&mut self, right: Right) {
        self.0 &= !bit(right);
    }

    /// In the policy's order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        (0u8..64).map(Right).filter(move |right| self.contains(*right))
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this one alone.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

fn bit(right: Right) -> u64 {
    1u64.checked_shl(u32::from(right.0)).unwrap_or(0)
}

impl FromIterator<Right> for RightSet {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        let mut set = Self::EMPTY;
        rights.into_iter().for_each(|right| set.insert(right));
        set
    }
}
