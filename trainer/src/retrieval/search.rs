//! The nearest items themselves.

use lookalike::{Match, TopK};
use ndarray::ArrayView2;

use super::distances::map_blocks;

/// Distances that are looked at together: most groups hold nothing near enough.
const GROUP: usize = 32;

/// The `k` nearest items of each query, nearest first; equal distances rank by
/// ascending id, NaN comes last. A list is shorter than `k` only when the
/// gallery is.
///
/// `queries` is `[Q, D]`, `gallery` `[N, D]`, both with rows of length 1. Where
/// the queries are themselves items, `own_ids` gives the id of each, which is
/// then left out of its list. The search is exact, and work is split over the
/// current rayon pool.
///
/// # Panics
/// When the widths differ, `own_ids` has not one id for each query, or there
/// are more than `u32::MAX` items.
pub fn search(
    queries: ArrayView2<'_, f32>,
    gallery: ArrayView2<'_, f32>,
    k: usize,
    own_ids: Option<&[u32]>,
) -> Vec<Vec<Match>> {
    assert!(own_ids.is_none_or(|ids| ids.len() == queries.nrows()), "one id for each query");
    assert!(u32::try_from(gallery.nrows()).is_ok(), "an item's id must fit 32 bits");
    let blocks = map_blocks(
        queries,
        gallery,
        || (),
        |(), rows, distances| -> Vec<Vec<Match>> {
            let nearest = rows.zip(distances.outer_iter()).map(|(query, distances)| {
                let distances = distances.to_slice().expect("rows of a block are contiguous");
                top_k(distances, k, own_ids.map(|ids| ids[query]))
            });
            nearest.collect()
        },
    );
    blocks.into_iter().flatten().collect()
}

/// The `k` nearest by `distances`, the item `left_out` aside.
pub(super) fn top_k(distances: &[f32], k: usize, left_out: Option<u32>) -> Vec<Match> {
    let k = k.min(distances.len());
    let mut slots = vec![Match { id: 0, distance: 0.0 }; k];
    let mut nearest = TopK::new(&mut slots);
    for (group, distances) in distances.chunks(GROUP).enumerate() {
        if nearest.as_slice().len() == k
            && let Some(worst) = nearest.as_slice().last()
        {
            // Written as a sum, not `any`, so that it becomes vector code; NaN
            // as the worst so far lets everything through.
            let worse = distances.iter().map(|&d| u32::from(d >= worst.distance)).sum::<u32>();
            if worse == GROUP as u32 {
                continue;
            }
        }
        for (id, &distance) in ((group * GROUP) as u32..).zip(distances) {
            if Some(id) != left_out {
                nearest.insert(Match { id, distance });
            }
        }
    }
    let found = nearest.as_slice().len();
    slots.truncate(found);
    slots
}
