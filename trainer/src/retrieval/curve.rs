//! Precision-recall curves, averaged over queries.

/// Recall levels of the interpolated curve: 0, 0.1 .. 1.
pub const LEVELS: usize = 11;

/// Ranks at which the raw curve is kept: all up to this one, then spaced evenly
/// on a logarithmic scale.
const DENSE: usize = 100;

/// Kept ranks for each factor of 10 beyond the dense part.
const PER_DECADE: f64 = 150.0;

/// One point of the raw curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The number i of nearest items taken.
    pub rank: u32,
    /// Mean over queries of the precision of the first i items.
    pub precision: f64,
    /// Mean over queries of the recall of the first i items.
    pub recall: f64,
}

/// Both curves, for a number of queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The raw mean: exact at each kept rank, and only thinned between them.
    pub raw: Vec<Point>,
    /// For each recall level 0, 0.1 .. 1 the mean over queries of the highest
    /// precision at any rank where the query's recall is at least the level
    /// (Manning et al., "Introduction to Information Retrieval", 8.4).
    pub interpolated: [f64; LEVELS],
}

/// The kept ranks, and for each rank the first kept one that is not below it.
#[derive(Clone, Debug)]
pub struct Ranks {
    kept: Vec<u32>,
    /// Indexed by rank - 1.
    slot: Vec<u16>,
}

impl Ranks {
    /// For rankings of `items` items.
    pub fn new(items: usize) -> Self {
        let mut kept: Vec<u32> = (1..=items.min(DENSE) as u32).collect();
        for step in 1.. {
            let rank = DENSE as f64 * 10_f64.powf(f64::from(step) / PER_DECADE);
            if rank >= items as f64 {
                break;
            }
            // Neighbouring steps round to the same rank at first.
            if kept.last().is_some_and(|&last| last < rank as u32) {
                kept.push(rank as u32);
            }
        }
        if kept.last().is_some_and(|&last| (last as usize) < items) {
            kept.push(items as u32);
        }
        let slot = (1..=items as u32)
            .map(|rank| kept.partition_point(|&kept| kept < rank) as u16)
            .collect();
        Ranks { kept, slot }
    }
}

/// Sums over queries that become [`Curves`].
#[derive(Clone, Debug)]
pub struct Sums {
    queries: usize,
    /// For each kept rank: relevant items at it or since the one before it.
    hits: Vec<u64>,
    /// The same, each weighted by 1/R of its query.
    recall: Vec<f64>,
    interpolated: [f64; LEVELS],
    /// One query's hits.
    scratch: Vec<u32>,
}

impl Sums {
    /// No query yet.
    pub fn new(ranks: &Ranks) -> Self {
        let len = ranks.kept.len();
        Sums {
            queries: 0,
            hits: vec![0; len],
            recall: vec![0.0; len],
            interpolated: [0.0; LEVELS],
            scratch: vec![0; len],
        }
    }

    /// Adds a query whose relevant items have these ranks: counted from 1,
    /// ascending, distinct, at least one.
    ///
    /// # Panics
    /// When a rank lies beyond the items that `kept` was made for.
    pub fn add(&mut self, kept: &Ranks, ranks: &[u32]) {
        self.queries += 1;
        for &rank in ranks {
            self.scratch[usize::from(kept.slot[rank as usize - 1])] += 1;
        }
        let weight = 1.0 / ranks.len() as f64;
        let sums = self.hits.iter_mut().zip(&mut self.recall);
        for ((hits, recall), count) in sums.zip(&mut self.scratch) {
            *hits += u64::from(*count);
            *recall += weight * f64::from(*count);
            *count = 0;
        }
        for (sum, precision) in self.interpolated.iter_mut().zip(interpolated(ranks)) {
            *sum += precision;
        }
    }

    /// Adds the queries of another.
    pub fn merge(&mut self, other: &Sums) {
        self.queries += other.queries;
        self.hits.iter_mut().zip(&other.hits).for_each(|(sum, hits)| *sum += hits);
        self.recall.iter_mut().zip(&other.recall).for_each(|(sum, recall)| *sum += recall);
        self.interpolated.iter_mut().zip(&other.interpolated).for_each(|(sum, p)| *sum += p);
    }

    /// The means. All are NaN without a query.
    pub fn curves(&self, ranks: &Ranks) -> Curves {
        let queries = self.queries as f64;
        let (mut hits, mut recall) = (0, 0.0);
        let sums = ranks.kept.iter().zip(self.hits.iter().zip(&self.recall));
        let raw = sums.map(|(&rank, (&found, &weighted))| {
            hits += found;
            recall += weighted;
            let precision = hits as f64 / f64::from(rank) / queries;
            Point { rank, precision, recall: recall / queries }
        });
        Curves { raw: raw.collect(), interpolated: self.interpolated.map(|sum| sum / queries) }
    }
}

/// One query's highest precision at a recall of at least 0, 0.1 .. 1.
///
/// Precision can only rise at a relevant item, so only their ranks matter.
fn interpolated(ranks: &[u32]) -> [f64; LEVELS] {
    let mut levels = [0.0; LEVELS];
    let mut best = 0.0_f64;
    let mut hits = ranks.len();
    for level in (0..LEVELS).rev() {
        // Recall hits / R >= level / 10, in whole numbers.
        let needed = (level * ranks.len()).div_ceil(LEVELS - 1).max(1);
        while hits >= needed {
            best = best.max(hits as f64 / f64::from(ranks[hits - 1]));
            hits -= 1;
        }
        levels[level] = best;
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::precision_recall;

    #[test]
    fn kept_ranks_start_dense_and_end_at_the_last() {
        for items in [1, 2, 99, 100, 101, 150, 1000, 60_000] {
            let ranks = Ranks::new(items);
            assert!(ranks.kept.is_sorted_by(|a, b| a < b));
            assert_eq!(ranks.kept[0], 1);
            assert_eq!(*ranks.kept.last().unwrap() as usize, items);
            assert!(ranks.kept.len() >= items.min(100) && ranks.kept.len() < 600);
            for (rank, &slot) in (1..).zip(&ranks.slot) {
                assert!(ranks.kept[usize::from(slot)] >= rank);
                assert!(slot == 0 || ranks.kept[usize::from(slot) - 1] < rank);
            }
        }
        assert!(Ranks::new(0).kept.is_empty());
    }

    #[test]
    fn the_raw_curve_is_the_mean_at_each_kept_rank() {
        let items = 700;
        let queries: [Vec<u32>; 3] =
            [vec![1, 2, 700], vec![5], (1..=700).filter(|rank| rank % 3 == 0).collect()];
        let kept = Ranks::new(items);
        let (mut sums, mut second) = (Sums::new(&kept), Sums::new(&kept));
        sums.add(&kept, &queries[0]);
        second.add(&kept, &queries[1]);
        second.add(&kept, &queries[2]);
        sums.merge(&second);
        let each = queries.each_ref().map(|ranks| precision_recall(ranks, items));
        for point in sums.curves(&kept).raw {
            let i = point.rank as usize - 1;
            let precision = each.iter().map(|(precision, _)| precision[i]).sum::<f64>() / 3.0;
            let recall = each.iter().map(|(_, recall)| recall[i]).sum::<f64>() / 3.0;
            assert!((point.precision - precision).abs() < 1e-12, "{point:?}");
            assert!((point.recall - recall).abs() < 1e-12, "{point:?}");
        }
    }

    #[test]
    fn interpolation_follows_its_definition() {
        for ranks in [vec![3], vec![1, 4, 5, 6], (10..40).collect(), (1..=7).collect::<Vec<_>>()] {
            let (precision, recall) = precision_recall(&ranks, 50);
            for (level, found) in interpolated(&ranks).into_iter().enumerate() {
                let reached = (0..50).filter(|&i| recall[i] * 10.0 + 1e-9 >= level as f64);
                let expected = reached.map(|i| precision[i]).fold(0.0, f64::max);
                assert_eq!(found, expected, "{ranks:?} at {level}");
            }
        }
    }
}
