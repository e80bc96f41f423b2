//! Scalar products of many queries and many items.
//!
//! The items are copied once into panels, in the order in which the kernel
//! reads them. A lane of a vector holds one item and adds its products from
//! the first dimension to the last; so the result does not depend on the width
//! of the vectors, and products that are computed alone have the same bits as
//! those that are computed by the block.

use std::ops::Range;

use ndarray::{ArrayView2, Axis};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::nn::lanes::{LANES, accumulate, store};

/// Items of a panel: two of the widest vectors.
pub const PANEL: usize = 2 * LANES;

/// Items, packed for [`Products`].
#[derive(Debug)]
pub struct Panels {
    /// Dimensions of an item.
    pub width: usize,
    /// Number of items.
    pub items: usize,
    /// For each panel `[dimension][item]`; what is missing in the last is 0.
    values: Vec<f32>,
}

impl Panels {
    /// Packs `items`, `[N, D]`, on the current rayon pool.
    pub fn new(items: ArrayView2<'_, f32>) -> Panels {
        let (count, width) = items.dim();
        let mut values = vec![0.0; count.div_ceil(PANEL) * PANEL * width];
        values
            .par_chunks_mut((PANEL * width).max(1))
            .zip(items.axis_chunks_iter(Axis(0), PANEL).into_par_iter())
            .for_each(|(panel, rows)| {
                for (lane, row) in rows.outer_iter().enumerate() {
                    for (to, &value) in panel[lane..].iter_mut().step_by(PANEL).zip(row) {
                        *to = value;
                    }
                }
            });
        Panels { width, items: count, values }
    }

    fn panel(&self, index: usize) -> &[f32] {
        let len = PANEL * self.width;
        &self.values[index * len..(index + 1) * len]
    }
}

/// Writes `offset + scale * x.y` for queries x and items y.
pub struct Products<'a> {
    /// `[Q][width]`.
    pub queries: &'a [f32],
    pub panels: &'a Panels,
    /// Which items, from a whole panel on.
    pub items: Range<usize>,
    pub offset: f32,
    pub scale: f32,
    /// `[Q][items.len()]`.
    pub out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Sums, two vectors of items and a query have to fit into the registers.
        if S::REGISTER_COUNT >= 32 {
            self.tiles::<S, 8>(simd);
        } else {
            self.tiles::<S, 6>(simd);
        }
    }
}

impl Products<'_> {
    /// Computes `P` queries together, with two vectors of items at a time.
    #[inline(always)]
    fn tiles<S: Simd, const P: usize>(self, simd: S) {
        /// Vectors of items.
        const V: usize = 2;
        let Products { queries, panels, items, offset, scale, out } = self;
        let width = panels.width;
        let count = out.len().checked_div(items.len()).unwrap_or(0);
        assert_eq!(queries.len(), count * width, "queries have the items' width");
        assert_eq!(items.start % PANEL, 0, "items start with a panel");
        let (offset, scale) = (simd.splat_f32s(offset), simd.splat_f32s(scale));
        for first in items.clone().step_by(PANEL) {
            let panel = panels.panel(first / PANEL);
            let column = first - items.start;
            let columns = PANEL.min(items.len() - column);
            for query in (0..count).step_by(P) {
                let mut inputs: [&[f32]; P] = [&[]; P];
                for p in 0..P {
                    // Beyond the last it is computed again, and not written.
                    let query = (query + p).min(count - 1);
                    inputs[p] = &queries[query * width..(query + 1) * width];
                }
                let mut tile = [[0.0; PANEL]; P];
                for lane in (0..PANEL).step_by(V * S::F32_LANES) {
                    let zero = [[simd.splat_f32s(0.0); V]; P];
                    let sums = accumulate(simd, zero, inputs, panel, PANEL, lane);
                    for p in 0..P {
                        let mut values = sums[p];
                        for v in 0..V {
                            values[v] = simd.mul_add_e_f32s(scale, values[v], offset);
                        }
                        store(simd, &mut tile[p], lane, &values);
                    }
                }
                for p in 0..P.min(count - query) {
                    let at = (query + p) * items.len() + column;
                    out[at..at + columns].copy_from_slice(&tile[p][..columns]);
                }
            }
        }
    }
}

/// Scalar products of a query and `P` rows, with the bits of [`Products`] for
/// offset 0 and scale 1.
#[inline(always)]
pub fn products_with_rows<S: Simd, const P: usize>(
    simd: S,
    query: &[f32],
    rows: [&[f32]; P],
) -> [f32; P] {
    let mut sums = [simd.splat_f32s(0.0); P];
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..query.len()];
    }
    for (k, &x) in query.iter().enumerate() {
        let x = simd.splat_f32s(x);
        for p in 0..P {
            sums[p] = simd.mul_add_e_f32s(x, simd.splat_f32s(rows[p][k]), sums[p]);
        }
    }
    sums.map(|sum| {
        let mut lanes = [0.0; LANES];
        store(simd, &mut lanes, 0, &[sum]);
        lanes[0]
    })
}
