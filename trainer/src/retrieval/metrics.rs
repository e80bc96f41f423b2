//! The metrics of one ranking, from the ranks of its relevant items.
//!
//! With R relevant items, P(i) the precision of the first i and rel(i) whether
//! item i is relevant. A relevant item's rank r says that P(r) is its number in
//! the list divided by r, so the R ranks hold everything.

/// The k of precision@k and recall@k.
pub const CUTOFFS: [usize; 3] = [1, 5, 10];

/// One value for each metric: of a query, a mean over queries, or an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics<T = f64> {
    /// AP = (1/R) sum over all i of P(i) rel(i); its mean over queries is mAP.
    pub average_precision: T,
    /// MAP@R = (1/R) sum over i <= R of P(i) rel(i) (Musgrave et al., "A Metric
    /// Learning Reality Check", ECCV 2020).
    pub map_at_r: T,
    /// Relevant items among the first R, divided by R.
    pub r_precision: T,
    /// Relevant items among the first k, divided by k, for k in [`CUTOFFS`].
    pub precision_at: [T; 3],
    /// 1 when any of the first k is relevant, else 0, for k in [`CUTOFFS`].
    pub recall_at: [T; 3],
    /// 1 divided by the rank of the first relevant item; its mean over queries
    /// is MRR.
    pub reciprocal_rank: T,
}

impl<T: Copy> Metrics<T> {
    /// Number of values.
    pub const LEN: usize = 10;

    /// The values in the order of the fields.
    pub fn to_array(self) -> [T; 10] {
        let [p1, p5, p10] = self.precision_at;
        let [r1, r5, r10] = self.recall_at;
        let Metrics { average_precision, map_at_r, r_precision, reciprocal_rank, .. } = self;
        [average_precision, map_at_r, r_precision, p1, p5, p10, r1, r5, r10, reciprocal_rank]
    }

    /// From the values in the order of the fields.
    pub fn from_array(values: [T; 10]) -> Self {
        let [average_precision, map_at_r, r_precision, p1, p5, p10, r1, r5, r10, reciprocal_rank] =
            values;
        Metrics {
            average_precision,
            map_at_r,
            r_precision,
            precision_at: [p1, p5, p10],
            recall_at: [r1, r5, r10],
            reciprocal_rank,
        }
    }
}

impl Metrics {
    /// The metrics of a ranking whose relevant items have these ranks, counted
    /// from 1, ascending and distinct. `None` without a relevant item: nothing
    /// is defined then.
    pub fn of(ranks: &[u32]) -> Option<Self> {
        let &nearest = ranks.first()?;
        let total = ranks.len() as f64;
        let within = |k: usize| ranks.partition_point(|&rank| rank as usize <= k);
        let inside = &ranks[..within(ranks.len())];
        Some(Metrics {
            average_precision: precisions(ranks).sum::<f64>() / total,
            map_at_r: precisions(inside).sum::<f64>() / total,
            r_precision: inside.len() as f64 / total,
            precision_at: CUTOFFS.map(|k| within(k) as f64 / k as f64),
            recall_at: CUTOFFS.map(|k| if nearest as usize <= k { 1.0 } else { 0.0 }),
            reciprocal_rank: 1.0 / f64::from(nearest),
        })
    }
}

/// The precision at each of `ranks`, which are distinct.
fn precisions(ranks: &[u32]) -> impl Iterator<Item = f64> {
    ranks.iter().enumerate().map(|(before, &rank)| (before + 1) as f64 / f64::from(rank))
}

/// Average precision of relevant items with these ascending ranks; `None`
/// without any.
///
/// Equal ranks, as [`Ties::Shared`](super::Ties::Shared) gives, share one
/// precision: that of the threshold which lets all of them in.
pub fn average_precision(ranks: &[u32]) -> Option<f64> {
    let mut hits = 0;
    let mut sum = 0.0;
    for group in ranks.chunk_by(|a, b| a == b) {
        hits += group.len();
        sum += group.len() as f64 * hits as f64 / f64::from(group[0]);
    }
    (hits > 0).then(|| sum / hits as f64)
}

/// Precision and recall of the first i of `items` ranked items, for i from 1 to
/// `items`. `ranks` as in [`Metrics::of`]; without a relevant item recall is 0.
pub fn precision_recall(ranks: &[u32], items: usize) -> (Vec<f64>, Vec<f64>) {
    let total = ranks.len().max(1) as f64;
    let mut hits = 0;
    (1..=items)
        .map(|i| {
            while ranks.get(hits).is_some_and(|&rank| rank as usize <= i) {
                hits += 1;
            }
            (hits as f64 / i as f64, hits as f64 / total)
        })
        .unzip()
}
