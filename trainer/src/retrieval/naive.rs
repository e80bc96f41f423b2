//! The definitions, word for word: rank everything by sorting, then count.
//!
//! Slow, and short enough to be checked by eye: the oracle that the tests hold
//! the fast implementation against.

use super::metrics::{CUTOFFS, Metrics};

/// The relevance of all items but the query, nearest first; equal distances
/// rank by ascending id, NaN comes last.
pub fn ranking(distances: &[f32], relevant: &[bool], query: Option<u32>) -> Vec<bool> {
    ranked_ids(distances, query).iter().map(|&id| relevant[id]).collect()
}

/// Precision and recall of the first i items, for i from 1.
pub fn precision_recall(ranking: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let total = hits(ranking) as f64;
    let hits_at = |i: usize| hits(&ranking[..i]) as f64;
    (1..=ranking.len()).map(|i| (hits_at(i) / i as f64, hits_at(i) / total.max(1.0))).unzip()
}

/// The metrics of a ranking, `None` without a relevant item.
pub fn metrics(ranking: &[bool]) -> Option<Metrics> {
    let total = hits(ranking);
    let first = ranking.iter().position(|&relevant| relevant)?;
    let (precision, _) = precision_recall(ranking);
    let sum = |end: usize| -> f64 { (0..end).filter(|&i| ranking[i]).map(|i| precision[i]).sum() };
    let hits_at = |k: usize| hits(&ranking[..k.min(ranking.len())]);
    Some(Metrics {
        average_precision: sum(ranking.len()) / total as f64,
        map_at_r: sum(total) / total as f64,
        r_precision: hits_at(total) as f64 / total as f64,
        precision_at: CUTOFFS.map(|k| hits_at(k) as f64 / k as f64),
        recall_at: CUTOFFS.map(|k| f64::from(u8::from(hits_at(k) > 0))),
        reciprocal_rank: 1.0 / (first + 1) as f64,
    })
}

/// Average precision where equal distances share one threshold, `None` without
/// a relevant item: the sum over thresholds of precision times the gain in
/// recall (scikit-learn's `average_precision_score`).
pub fn tie_aware_average_precision(
    distances: &[f32],
    relevant: &[bool],
    query: Option<u32>,
) -> Option<f64> {
    let ids = ranked_ids(distances, query);
    let total = ids.iter().filter(|&&id| relevant[id]).count();
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    let equal = |a: &usize, b: &usize| {
        distances[*a] == distances[*b] || (distances[*a].is_nan() && distances[*b].is_nan())
    };
    for group in ids.chunk_by(equal) {
        let gained = group.iter().filter(|&&id| relevant[id]).count();
        seen += group.len();
        found += gained;
        sum += (found as f64 / seen as f64) * (gained as f64 / total.max(1) as f64);
    }
    (total > 0).then_some(sum)
}

fn ranked_ids(distances: &[f32], query: Option<u32>) -> Vec<usize> {
    let mut ids: Vec<usize> =
        (0..distances.len()).filter(|&id| query.is_none_or(|query| query as usize != id)).collect();
    ids.sort_by(|&a, &b| {
        let (x, y) = (distances[a], distances[b]);
        let by_distance = x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()));
        by_distance.then(a.cmp(&b))
    });
    ids
}

fn hits(ranking: &[bool]) -> usize {
    ranking.iter().filter(|&&relevant| relevant).count()
}
