//! Recognition among things that were never enrolled: an acceptance threshold
//! for a wanted rate of false accepts, and what it does.

use ndarray::{Array2, ArrayView2};
use serde::Serialize;

use super::search;

/// The enrolled items that queries are compared with: embeddings `[N, D]`, one
/// label each.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Rows of length 1.
    pub embeddings: Array2<f32>,
    /// The class of each row.
    pub labels: Vec<u16>,
}

/// What a query found: the nearest item's label and its squared distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The label.
    pub label: u16,
    /// The squared Euclidean distance, 0 to 4.
    pub distance: f32,
}

impl Enrolled {
    /// One prototype for each label: the mean of its items, normalised again.
    /// Labels ascend.
    pub fn prototypes(&self) -> Enrolled {
        let mut labels = self.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        let mut embeddings = Array2::zeros((labels.len(), self.embeddings.ncols()));
        for (row, label) in self.embeddings.rows().into_iter().zip(&self.labels) {
            let place = labels.partition_point(|l| l < label);
            let mut sum = embeddings.row_mut(place);
            sum += &row;
        }
        for mut row in embeddings.rows_mut() {
            let norm = row.dot(&row).sqrt().max(1e-12);
            row /= norm;
        }
        Enrolled { embeddings, labels }
    }

    /// The nearest item of each query `[Q, D]`. Runs on rayon's current pool.
    ///
    /// # Panics
    /// When nothing is enrolled.
    pub fn nearest(&self, queries: ArrayView2<'_, f32>) -> Vec<Nearest> {
        assert!(!self.labels.is_empty(), "something is enrolled");
        search(queries, self.embeddings.view(), 1, None)
            .into_iter()
            .map(|found| Nearest {
                label: self.labels[found[0].id as usize],
                // Rounding can take 2 - 2 x.y below 0; the device clamps it too.
                distance: found[0].distance.max(0.0),
            })
            .collect()
    }
}

/// The threshold at which the share `rate` of the impostors is accepted, or as
/// much of it as whole impostors allow: an impostor is accepted when its
/// distance to the nearest item is at most the threshold. It lies half-way
/// between the last impostor that is accepted and the first that is not.
///
/// `None` without impostors.
pub fn threshold(impostors: &[Nearest], rate: f64) -> Option<f32> {
    let mut distances: Vec<f32> = impostors.iter().map(|n| n.distance).collect();
    distances.sort_unstable_by(f32::total_cmp);
    let accepted = ((rate * distances.len() as f64) as usize).min(distances.len());
    let first_out = *distances.get(accepted).or(distances.last())?;
    let last_in = if accepted == 0 { 0.0 } else { distances[accepted - 1] };
    let middle = last_in + (first_out - last_in) / 2.0;
    // Where both are equal, neither may be let in.
    Some(if middle >= first_out { first_out.next_down() } else { middle })
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// `count / of`; 0 of 0 is 0.
    pub rate: f64,
    /// Wilson's score interval (Wilson, JASA 1927).
    pub confidence_95: [f64; 2],
}

impl Rate {
    /// `count` of `of`.
    pub fn new(count: usize, of: usize) -> Rate {
        let (n, z) = (of.max(1) as f64, 1.959_963_985);
        let p = count as f64 / n;
        let centre = p + z * z / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 / (1.0 + z * z / n);
        let ends = [(centre - spread) * scale, (centre + spread) * scale];
        Rate { count, of, rate: p, confidence_95: ends.map(|e| e.clamp(0.0, 1.0)) }
    }
}

/// What a threshold does to queries of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Decisions {
    /// Queries that were accepted, as whatever class.
    pub accepted: Rate,
    /// Queries that were accepted as their own class.
    pub identified: Rate,
}

impl Decisions {
    /// Decides on queries with these labels.
    pub fn new(nearest: &[Nearest], labels: &[u16], threshold: f32) -> Decisions {
        let accepted = |n: &&(&Nearest, &u16)| n.0.distance <= threshold;
        let pairs: Vec<_> = nearest.iter().zip(labels).collect();
        let count = pairs.iter().filter(accepted).count();
        let right = pairs.iter().filter(accepted).filter(|(n, label)| n.label == **label).count();
        Decisions {
            accepted: Rate::new(count, pairs.len()),
            identified: Rate::new(right, pairs.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn at(distances: &[f32]) -> Vec<Nearest> {
        distances.iter().map(|&distance| Nearest { label: 0, distance }).collect()
    }

    proptest! {
        #[test]
        fn no_more_impostors_than_wanted_and_one_more_would_be(
            distances in prop::collection::vec(prop::sample::select(vec![0.0f32, 0.1, 0.25, 0.5, 1.0, 3.9]), 1..60),
            rate in 0.0..1.0f64,
        ) {
            let impostors = at(&distances);
            let threshold = threshold(&impostors, rate).unwrap();
            let accepted = |t: f32| distances.iter().filter(|&&d| d <= t).count();
            let allowed = (rate * distances.len() as f64) as usize;
            prop_assert!(accepted(threshold) <= allowed);
            // The next distance up would be too many, or let nobody in more.
            let next = distances.iter().copied().filter(|&d| d > threshold).fold(9.0, f32::min);
            prop_assert!(accepted(next) > allowed || next == 9.0);
        }
    }

    #[test]
    fn without_impostors_there_is_no_threshold() {
        assert_eq!(threshold(&[], 0.01), None);
        assert_eq!(threshold(&at(&[0.5, 1.5]), 0.5), Some(1.0));
    }

    #[test]
    fn wilson_interval_as_published() {
        // Newcombe, Statistics in Medicine 1998, table I: 15 of 148.
        let rate = Rate::new(15, 148);
        assert!((rate.confidence_95[0] - 0.0624).abs() < 5e-5, "{rate:?}");
        assert!((rate.confidence_95[1] - 0.1605).abs() < 5e-5, "{rate:?}");
        assert_eq!(Rate::new(0, 0).rate, 0.0);
    }

    #[test]
    fn prototypes_are_normalised_means() {
        let enrolled = Enrolled {
            embeddings: array![[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]],
            labels: vec![7, 7, 3],
        };
        let prototypes = enrolled.prototypes();
        assert_eq!(prototypes.labels, [3, 7]);
        let half = 0.5f32.sqrt();
        assert!((prototypes.embeddings[[1, 0]] - half).abs() < 1e-6);
        let found = prototypes.nearest(array![[half, half]].view());
        assert_eq!(found[0].label, 7);
        let decisions = Decisions::new(&found, &[3], 0.1);
        assert_eq!((decisions.accepted.count, decisions.identified.count), (1, 0));
    }
}
