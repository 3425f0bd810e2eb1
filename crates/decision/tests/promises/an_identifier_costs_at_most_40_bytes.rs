//! Counted in bytes, at every size on the way, growth included.

use quell_decision::{Location, Suppressions};

use crate::copy::{MemoryCopy, account, holds};

/// Below this the tables themselves, some tens of kilobytes in all, weigh more than what is in them.
const SMALL: usize = 20_000;

#[test]
fn an_identifier_costs_at_most_40_bytes_at_any_size() {
    let suppressions = Suppressions::default();
    let nothing_readable = MemoryCopy::default();
    let mut most: f64 = 0.0;
    for number in 1..=1_000_000usize {
        let change = holds(&account(&format!("a-{number}")), 1, &[("admt", true)]);
        suppressions.apply(&change, Location::new(number as u64).unwrap(), &nothing_readable);
        if number >= SMALL && number % 500 == 0 {
            most = most.max(suppressions.bytes() as f64 / number as f64);
        }
    }
    assert_eq!(suppressions.len(), 1_000_000);
    assert!(most <= 40.0, "{most:.1} bytes an identifier");
}
