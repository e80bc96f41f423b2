//! Squared Euclidean distances of many queries to a whole gallery, as a matrix product.
//!
//! For vectors of length 1, d(x, y) = |x - y|^2 = 2 - 2 x.y. The queries are
//! taken in blocks, so what is held at a time does not grow with their number:
//! see `docs/distances.md`.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView2, ArrayViewMut2};
use pulp::Arch;
use rayon::prelude::*;

use super::panels::{Panels, Products};

/// Distances that one thread holds: 4 M values, 16 MB.
const BLOCK_VALUES: usize = 4 << 20;

/// More rows than this do not make the product faster.
const MAX_BLOCK_ROWS: usize = 256;

/// How many queries make up one block against a gallery of `gallery_len` items.
///
/// It depends on nothing else, above all not on the number of threads: the
/// blocks, and the order in which their results are added up, are always the
/// same. Where there are enough, they are whole groups of the 8 that
/// AVX-512 computes together.
pub fn block_rows(gallery_len: usize) -> usize {
    let rows = (BLOCK_VALUES / gallery_len.max(1)).clamp(1, MAX_BLOCK_ROWS);
    if rows < 8 { rows } else { rows / 8 * 8 }
}

/// Writes the distances of `queries` (`[Q, D]`) to `gallery` (`[N, D]`) into
/// `out` (`[Q, N]`): 2 - 2 x.y, which for rows of length 1 is the squared
/// Euclidean distance, in [0, 4] up to rounding.
///
/// Nothing is clamped: cutting off the tiny negative values that rounding gives
/// near-duplicates would make ties of them.
///
/// # Panics
/// When the shapes do not fit one another, or `out` is not in standard layout.
pub fn squared_distances(
    queries: ArrayView2<'_, f32>,
    gallery: ArrayView2<'_, f32>,
    mut out: ArrayViewMut2<'_, f32>,
) {
    assert_eq!(out.dim(), (queries.nrows(), gallery.nrows()));
    let queries = queries.as_standard_layout();
    let out = out.as_slice_mut().expect("standard layout");
    block_distances(queries.as_slice().expect("standard layout"), &Panels::new(gallery), out);
}

/// [`squared_distances`] to a gallery that is packed.
fn block_distances(queries: &[f32], panels: &Panels, out: &mut [f32]) {
    let items = 0..panels.items;
    Arch::new().dispatch(Products { queries, panels, items, offset: 2.0, scale: -2.0, out });
}

/// Calls `work(scratch, rows, distances)` for each block of queries on the
/// current rayon pool and returns the results in the order of the blocks.
///
/// `rows` are the block's rows of `queries` (`[Q, D]`), `distances` is
/// `[rows.len(), N]` for a `gallery` of `[N, D]`. A scratch value is made by
/// `scratch` for each thread at most once and reused; what `work` leaves in it
/// must not change results.
///
/// # Panics
/// When the widths of `queries` and `gallery` differ.
pub fn map_blocks<S: Send, R: Send>(
    queries: ArrayView2<'_, f32>,
    gallery: ArrayView2<'_, f32>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Range<usize>, ArrayView2<'_, f32>) -> R + Sync,
) -> Vec<R> {
    assert_eq!(queries.ncols(), gallery.ncols(), "queries have the gallery's width");
    let rows = block_rows(gallery.nrows()).min(queries.nrows());
    let panels = Panels::new(gallery);
    let queries = queries.as_standard_layout();
    let values_of = |range: &Range<usize>| {
        let queries = queries.as_slice().expect("standard layout");
        &queries[range.start * panels.width..range.end * panels.width]
    };
    // Rayon's `map_init` would make a fresh buffer for every piece it splits off.
    let idle: Mutex<Vec<(S, Vec<f32>)>> = Mutex::new(Vec::new());
    let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    let blocks = queries.nrows().checked_div(rows).map_or(0, |_| queries.nrows().div_ceil(rows));
    (0..blocks)
        .into_par_iter()
        .with_max_len(1)
        .map(|block| {
            let taken = idle().pop();
            let (mut scratch, mut buffer) =
                taken.unwrap_or_else(|| (scratch(), vec![0.0; rows * gallery.nrows()]));
            let range = block * rows..((block + 1) * rows).min(queries.nrows());
            let shape = (range.len(), gallery.nrows());
            let values = &mut buffer[..shape.0 * shape.1];
            block_distances(values_of(&range), &panels, values);
            let distances =
                ArrayView2::from_shape(shape, values).expect("the slice has the shape's length");
            let result = work(&mut scratch, range, distances);
            idle().push((scratch, buffer));
            result
        })
        .collect()
}
