//! Chance that comes from one seed: SplitMix64, which is short, fast, and the same for ever.

/// Mixes a number so that its neighbours have nothing in common with it.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The mix of several numbers.
#[must_use]
pub fn mix_all(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |mixed, number| mix(mixed ^ *number))
}

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below a bound, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The upper half of a product of two 32-bit numbers, below the second.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// True so many times out of a thousand.
    pub fn permille(&mut self, times: u32) -> bool {
        self.below(1000) < times
    }

    /// Puts items into any order, each as likely as the others.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
            items.swap(last, self.below(bound) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut chance = Chance::new(0);
        assert_eq!([chance.next(), chance.next()], [mix(0x9e37_79b9_7f4a_7c15), mix(0x3c6e_f372_fe94_f82a)]);
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf, "SplitMix64's published first number");
    }

    #[test]
    fn below_stays_below_and_reaches_every_number() {
        let mut chance = Chance::new(1);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            if let Some(slot) = seen.get_mut(chance.below(7) as usize) {
                *slot = true;
            }
        }
        assert_eq!(seen, [true; 7]);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Chance::new(2).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
