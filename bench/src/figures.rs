//! Several rounds of one figure.

use std::fmt::{self, Display};

/// The median, and between what the rounds lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figure {
    /// Of one round at least.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = rounds.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        Self { median: f64::midpoint(sorted[lower], sorted[upper]), least: sorted[0], most: sorted[sorted.len() - 1] }
    }
}

impl Display for Figure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, least, most] = [self.median, self.least, self.most].map(short);
        if least == most { to.write_str(&median) } else { write!(to, "**{median}** ({least}–{most})") }
    }
}

/// Three figures or so: what is behind them is chance.
pub fn short(number: f64) -> String {
    if number >= 10_000.0 {
        let thousands = format!("{:.0}", number / 1000.0);
        format!("{thousands} k")
    } else if number >= 100.0 {
        format!("{number:.0}")
    } else if number >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// The value below which such a share lies.
pub fn quantile(sorted: &[u64], share: f64) -> u64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_and_the_spread() {
        assert_eq!(Figure::of([3.0, 1.0, 2.0, 10.0]), Figure { median: 2.5, least: 1.0, most: 10.0 });
        assert_eq!(Figure::of([3.0, 1.0, 2.0]).to_string(), "**2.00** (1.00–3.00)");
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=1000).collect();
        assert_eq!([0.5, 0.99, 0.999, 1.0].map(|share| quantile(&values, share)), [500, 990, 999, 1000]);
    }
}
