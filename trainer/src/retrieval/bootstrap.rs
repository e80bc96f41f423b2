//! Confidence intervals of means over queries.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use rayon::prelude::*;

use crate::rng::{Purpose, stream};

/// The two ends of a confidence interval.
pub type Interval = [f64; 2];

/// Resamples drawn when nothing else is asked for.
pub const RESAMPLES: usize = 1000;

/// Percentile bootstrap: 95 % intervals of the mean of each of `M` values that
/// every query has.
///
/// Each of `resamples` times, as many queries as there are get drawn with
/// replacement, the same draw for all values; the ends are the 2.5th and 97.5th
/// percentile of the resampled means, linearly interpolated (Efron and
/// Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). The
/// result depends on `seed`, not on the number of threads: each resample has a
/// generator of its own.
///
/// What it covers is the choice of queries. The gallery and the trained network
/// are taken as given.
///
/// `None` without queries or resamples.
pub fn confidence_95<const M: usize>(
    queries: &[[f64; M]],
    resamples: usize,
    seed: u64,
) -> Option<[Interval; M]> {
    if queries.is_empty() || resamples == 0 {
        return None;
    }
    let means: Vec<[f64; M]> = (0..resamples as u64)
        .into_par_iter()
        .map(|i| resampled(queries, &mut stream(seed, Purpose::Bootstrap, i)))
        .collect();
    Some(std::array::from_fn(|metric| {
        let mut means: Vec<f64> = means.iter().map(|means| means[metric]).collect();
        means.sort_unstable_by(f64::total_cmp);
        [percentile(&means, 0.025), percentile(&means, 0.975)]
    }))
}

fn resampled<const M: usize>(queries: &[[f64; M]], random: &mut Xoshiro256PlusPlus) -> [f64; M] {
    let mut sums = [0.0; M];
    for _ in 0..queries.len() {
        // The high half of the product maps 64 random bits to an index; its
        // bias is below len / 2^64.
        let drawn = (u128::from(random.next_u64()) * queries.len() as u128) >> 64;
        for (sum, value) in sums.iter_mut().zip(&queries[drawn as usize]) {
            *sum += value;
        }
    }
    sums.map(|sum| sum / queries.len() as f64)
}

/// The value at `fraction` of ascending values, linearly interpolated.
pub(super) fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        let sorted: Vec<f64> = (0..=10).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 0.25), 2.5);
        assert_eq!(percentile(&sorted, 1.0), 10.0);
        assert_eq!(percentile(&[3.0], 0.975), 3.0);
    }

    /// The mean of n draws of 0 or 1 has the standard deviation
    /// sqrt(p (1 - p) / n), and 95 % of a normal distribution lie within 1.96.
    #[test]
    fn the_interval_is_that_of_a_binomial_mean() {
        let queries: Vec<[f64; 2]> =
            (0..2000).map(|i| [f64::from(u8::from(i % 5 == 0)), 7.0]).collect();
        let [[low, high], constant] = confidence_95(&queries, 2000, 1).unwrap();
        let half = 1.96 * (0.2_f64 * 0.8 / 2000.0).sqrt();
        assert!((low - (0.2 - half)).abs() < 0.1 * half, "{low}");
        assert!((high - (0.2 + half)).abs() < 0.1 * half, "{high}");
        assert_eq!(constant, [7.0, 7.0]);
    }

    #[test]
    fn the_seed_decides_and_all_values_share_the_draws() {
        let queries: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), f64::from(2 * i)]).collect();
        let [one, two] = confidence_95(&queries, 100, 1).unwrap();
        assert_eq!(one.map(|end| 2.0 * end), two);
        assert_eq!(confidence_95(&queries, 100, 1).unwrap()[0], one);
        assert_ne!(confidence_95(&queries, 100, 2).unwrap()[0], one);
        assert_eq!(confidence_95::<1>(&[], 100, 1), None);
    }
}
