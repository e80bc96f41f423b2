//! The nearest items themselves.

use std::cmp::Ordering;
use std::ops::Range;

use lookalike::{Match, TopK};
use ndarray::{ArrayView2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::bound::{Bounds, Projected};
use super::panels::{Panels, Products, products_with_rows};

/// Queries that go through the gallery together.
const QUERIES: usize = 64;

/// Items that are looked at together, a number of whole panels.
const ITEMS: usize = 1024;

/// Items that are passed over at once if none of them is near enough.
const GROUP: usize = 32;

/// A distance alone costs as much as this many in a block; where bounds leave a
/// larger share of the items, all are computed.
const WORTH_ALONE: usize = 16;

/// Searches of fewer queries or items are not worth the preparation of bounds.
const FEW: usize = 4 * ITEMS;

/// The `k` nearest items of each query, nearest first; equal distances rank by
/// ascending id, NaN comes last. A list is shorter than `k` only when the
/// gallery is.
///
/// `queries` is `[Q, D]`, `gallery` `[N, D]`, both with rows of length 1. Where
/// the queries are themselves items, `own_ids` gives the id of each, which is
/// then left out of its list. The search is exact: distances have the bits of
/// [`squared_distances`](super::distances::squared_distances), and an item is
/// passed over only if a bound proves that it is not among the nearest. Work is
/// split over the current rayon pool.
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
    let (count, width) = queries.dim();
    assert_eq!(width, gallery.ncols(), "queries have the gallery's width");
    assert!(own_ids.is_none_or(|ids| ids.len() == count), "one id for each query");
    assert!(u32::try_from(gallery.nrows()).is_ok(), "an item's id must fit 32 bits");
    let k = k.min(gallery.nrows());
    if k == 0 {
        return vec![Vec::new(); count];
    }
    let (queries, gallery) = (queries.as_standard_layout(), gallery.as_standard_layout());
    let worth = count >= QUERIES && gallery.nrows() >= FEW;
    let bounds = worth.then(|| Bounds::new(gallery.view())).flatten();
    let items = Items {
        rows: gallery.as_slice().expect("standard layout"),
        panels: &Panels::new(gallery.view()),
        bounds: bounds.as_ref(),
    };
    let mut nearest = vec![Match { id: 0, distance: 0.0 }; count * k];
    let lens: Vec<usize> = nearest
        .par_chunks_mut(QUERIES * k)
        .zip(queries.axis_chunks_iter(Axis(0), QUERIES).into_par_iter())
        .enumerate()
        .flat_map_iter(|(block, (slots, queries))| {
            let own_ids = own_ids.map(|ids| &ids[block * QUERIES..][..queries.nrows()]);
            let nearest = slots.chunks_exact_mut(k).map(TopK::new).collect();
            let values = vec![0.0; queries.nrows() * ITEMS];
            let candidates = Vec::new();
            Search { items, queries, own_ids, k, nearest, values, candidates }.run()
        })
        .collect();
    nearest.chunks_exact(k).zip(lens).map(|(slots, len)| slots[..len].to_vec()).collect()
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

/// What is searched.
#[derive(Clone, Copy)]
struct Items<'a> {
    /// `[N][D]`.
    rows: &'a [f32],
    /// The same, packed.
    panels: &'a Panels,
    bounds: Option<&'a Bounds>,
}

/// The search of one block of queries.
struct Search<'a> {
    items: Items<'a>,
    queries: ArrayView2<'a, f32>,
    own_ids: Option<&'a [u32]>,
    k: usize,
    nearest: Vec<TopK<'a>>,
    /// Of all queries for some items: scalar products or their bounds.
    values: Vec<f32>,
    /// Items that a bound did not rule out, each with its query.
    candidates: Vec<(u32, u32)>,
}

impl Search<'_> {
    /// Goes through all items and gives the number found for each query.
    fn run(mut self) -> Vec<usize> {
        let bounds = self.items.bounds.map(|bounds| (bounds, bounds.project(self.queries)));
        let count = self.items.panels.items;
        for first in (0..count).step_by(ITEMS) {
            let range = first..count.min(first + ITEMS);
            match &bounds {
                // The first items give the limits for the others.
                Some((bounds, projected)) if first > 0 => {
                    if self.rule_out(bounds, projected, range.clone()) {
                        self.take_candidates();
                    } else {
                        self.take_all(range);
                    }
                }
                _ => self.take_all(range),
            }
        }
        self.nearest.iter().map(|nearest| nearest.as_slice().len()).collect()
    }

    fn is_left_out(&self, query: usize, id: u32) -> bool {
        self.own_ids.is_some_and(|ids| ids[query] == id)
    }

    /// The distance of the farthest of `k` that were found; NaN before that.
    fn worst(&self, query: usize) -> f32 {
        let found = self.nearest[query].as_slice();
        let full = found.len() == self.k;
        found.last().filter(|_| full).map_or(f32::NAN, |worst| worst.distance)
    }

    /// Takes the distances of all items in `range`.
    fn take_all(&mut self, range: Range<usize>) {
        let queries = self.queries.to_slice().expect("standard layout");
        let out = &mut self.values[..self.queries.nrows() * range.len()];
        let (panels, items) = (self.items.panels, range.clone());
        Arch::new().dispatch(Products { queries, panels, items, offset: 2.0, scale: -2.0, out });
        for query in 0..self.queries.nrows() {
            let distances = query * range.len()..(query + 1) * range.len();
            for from in distances.clone().step_by(GROUP) {
                let group = from..distances.end.min(from + GROUP);
                let worst = self.worst(query);
                if count(&self.values[group.clone()], |distance| distance >= worst) == group.len() {
                    continue;
                }
                for place in group {
                    let id = (range.start + place - distances.start) as u32;
                    if !self.is_left_out(query, id) {
                        self.nearest[query].insert(Match { id, distance: self.values[place] });
                    }
                }
            }
        }
    }

    /// Fills `candidates` with the items in `range` that the bounds leave, in
    /// ascending order for each query; `false` if there are too many.
    fn rule_out(&mut self, bounds: &Bounds, queries: &Projected, range: Range<usize>) -> bool {
        let len = self.queries.nrows() * range.len();
        bounds.write(queries, range.clone(), &mut self.values[..len]);
        self.candidates.clear();
        for (query, &length) in queries.lengths.iter().enumerate() {
            let limit = bounds.limit(length, self.worst(query));
            let of_query = query * range.len()..(query + 1) * range.len();
            for from in of_query.clone().step_by(GROUP) {
                let group = from..of_query.end.min(from + GROUP);
                if count(&self.values[group.clone()], |bound| bound < limit) == group.len() {
                    continue;
                }
                for place in group {
                    let id = (range.start + place - of_query.start) as u32;
                    // A NaN is no reason to leave an item out.
                    let near =
                        !matches!(self.values[place].partial_cmp(&limit), Some(Ordering::Less));
                    if near && !self.is_left_out(query, id) {
                        self.candidates.push((query as u32, id));
                    }
                }
            }
            if self.candidates.len() > len / WORTH_ALONE {
                return false;
            }
        }
        true
    }

    /// Takes the distances of the candidates.
    fn take_candidates(&mut self) {
        let Search { items, queries, candidates, values, .. } = self;
        values.resize(values.len().max(candidates.len()), 0.0);
        Arch::new().dispatch(Alone {
            queries: queries.to_slice().expect("standard layout"),
            items: items.rows,
            width: items.panels.width,
            candidates,
            distances: values,
        });
        for (&(query, id), &distance) in self.candidates.iter().zip(&self.values) {
            self.nearest[query as usize].insert(Match { id, distance });
        }
    }
}

/// How many of `values` are so. A sum, so that it becomes vector code.
fn count(values: &[f32], is_so: impl Fn(f32) -> bool) -> usize {
    values.iter().map(|&value| u32::from(is_so(value))).sum::<u32>() as usize
}

/// The distances of single pairs, with the bits of those of a block.
struct Alone<'a> {
    queries: &'a [f32],
    items: &'a [f32],
    width: usize,
    candidates: &'a [(u32, u32)],
    distances: &'a mut [f32],
}

impl WithSimd for Alone<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        /// Pairs at a time: enough to hide the latency of an addition.
        const PAIRS: usize = 8;
        let Alone { queries, items, width, candidates, distances } = self;
        let mut done = 0;
        for of_query in candidates.chunk_by(|a, b| a.0 == b.0) {
            for some in of_query.chunks(PAIRS) {
                let last = some.len() - 1;
                let mut rows: [&[f32]; PAIRS] = [&[]; PAIRS];
                for p in 0..PAIRS {
                    let start = some[p.min(last)].1 as usize * width;
                    rows[p] = &items[start..start + width];
                }
                let start = some[0].0 as usize * width;
                let products = products_with_rows(simd, &queries[start..start + width], rows);
                for (distance, product) in
                    distances[done..].iter_mut().zip(products).take(some.len())
                {
                    *distance = 2.0 - 2.0 * product;
                }
                done += some.len();
            }
        }
    }
}
