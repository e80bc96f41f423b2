//! Upper bounds of scalar products, an eighth as costly as the products.
//!
//! Let B be a few orthonormal columns. A vector x is B a plus a rest x' that is
//! orthogonal to B, so by Cauchy and Schwarz
//!
//! ```text
//! x.y = a.b + x'.y' <= a.b + |x'| |y'|
//! ```
//!
//! which is itself a scalar product, of (a, |x'|) and (b, |y'|). Embeddings lie
//! close to a subspace of few dimensions; where B spans it, the rests are short
//! and the bound is close. `docs/distances.md` derives the margin for rounding.

use ndarray::{Array2, ArrayView2, Axis, s};
use pulp::Arch;
use rand::RngExt;
use rayon::prelude::*;

use super::panels::{Panels, Products};
use crate::rng::{Purpose, stream};

/// Columns of B; with the length of the rest, two vectors of 16 lanes.
const COLUMNS: usize = 31;

/// Values for each vector.
const WIDTH: usize = COLUMNS + 1;

/// Items that B is found from.
const SAMPLE: usize = 2048;

/// Vectors that are projected at a time.
const BLOCK: usize = 512;

/// Products longer than this are left to themselves: an f32 could overflow.
const LONGEST: f64 = 1e15;

/// The items' side of the bounds.
#[derive(Debug)]
pub struct Bounds {
    /// B, `[D, COLUMNS]`.
    basis: Array2<f64>,
    /// (b, |y'|) of each item.
    panels: Panels,
    /// The length of the longest item.
    longest: f64,
}

/// The queries' side: (a, |x'|) of each, and its length.
#[derive(Debug)]
pub struct Projected {
    values: Vec<f32>,
    pub lengths: Vec<f64>,
}

impl Bounds {
    /// Prepares for `items`, `[N, D]`; `None` where bounds would save little or
    /// the items are too long.
    pub fn new(items: ArrayView2<'_, f32>) -> Option<Bounds> {
        if items.ncols() < 3 * WIDTH {
            return None;
        }
        let basis = basis(items);
        let Projected { values, lengths } = project(&basis, items);
        let longest = lengths.iter().fold(0.0, |longest, &length| f64::max(longest, length));
        let values = ArrayView2::from_shape((items.nrows(), WIDTH), &values).expect("[N, WIDTH]");
        (longest < LONGEST).then(|| Bounds { panels: Panels::new(values), basis, longest })
    }

    /// The queries' side for `queries`, `[Q, D]`.
    pub fn project(&self, queries: ArrayView2<'_, f32>) -> Projected {
        project(&self.basis, queries)
    }

    /// Writes the bounds of `queries` for some of the items, `[Q][items.len()]`.
    /// Where a vector holds a NaN or an infinity, they are NaN.
    pub fn write(&self, queries: &Projected, items: std::ops::Range<usize>, out: &mut [f32]) {
        let (queries, panels) = (&queries.values[..], &self.panels);
        Arch::new().dispatch(Products { queries, panels, items, offset: 0.0, scale: 1.0, out });
    }

    /// For a query of this length: an item whose bound is below the result has
    /// a distance of more than `distance`, as they are computed in f32. NaN if
    /// nothing can be said.
    pub fn limit(&self, length: f64, distance: f32) -> f32 {
        /// Half the distance of two numbers of f32 next to 1.
        const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
        let margin = (self.basis.nrows() + 2 * WIDTH) as f64 * ROUNDOFF;
        let product = 1.0 - f64::from(distance) / 2.0;
        if length < LONGEST {
            (product - margin * (1.0 + length * self.longest)) as f32
        } else {
            f32::NAN
        }
    }
}

/// Orthonormal columns close to the subspace in which most of the items' length
/// lies: two steps of subspace iteration (Golub and Van Loan, *Matrix
/// Computations*, section 8.2.4) from random columns, on a sample.
fn basis(items: ArrayView2<'_, f32>) -> Array2<f64> {
    let step = items.nrows().div_ceil(SAMPLE).max(1);
    let sample = items
        .slice(s![..;step, ..])
        .mapv(|value| if value.is_finite() { f64::from(value) } else { 0.0 });
    let mut rng = stream(0, Purpose::Selection, 0);
    let mut columns =
        Array2::from_shape_simple_fn((items.ncols(), COLUMNS), || rng.random_range(-1.0..1.0));
    for _ in 0..2 {
        columns = sample.t().dot(&sample.dot(&columns));
        orthonormalize(&mut columns);
    }
    columns
}

/// Makes the columns orthonormal (Gram and Schmidt, twice); one that depends on
/// those before it becomes 0.
fn orthonormalize(columns: &mut Array2<f64>) {
    for i in 0..columns.ncols() {
        let (done, mut rest) = columns.view_mut().split_at(Axis(1), i);
        let mut column = rest.column_mut(0);
        let before = column.dot(&column);
        for _ in 0..2 {
            for other in done.columns() {
                let along = other.dot(&column);
                column.scaled_add(-along, &other);
            }
        }
        let square = column.dot(&column);
        let scale = if square > 1e-12 * before { 1.0 / square.sqrt() } else { 0.0 };
        column *= scale;
    }
}

/// (a, |x'|) for each row x, the length rounded up.
fn project(basis: &Array2<f64>, rows: ArrayView2<'_, f32>) -> Projected {
    let mut values = vec![0.0; rows.nrows() * WIDTH];
    let mut lengths = vec![0.0; rows.nrows()];
    values
        .par_chunks_mut(BLOCK * WIDTH)
        .zip(lengths.par_chunks_mut(BLOCK))
        .zip(rows.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
        .for_each(|((values, lengths), rows)| {
            let rows = rows.mapv(f64::from);
            let coordinates = rows.dot(basis);
            let each = values.chunks_exact_mut(WIDTH).zip(lengths);
            for ((values, length), (x, a)) in
                each.zip(rows.outer_iter().zip(coordinates.outer_iter()))
            {
                let square = x.dot(&x);
                let rest = square - a.dot(&a);
                // Not a maximum: a NaN must come through.
                let rest = if rest < 0.0 { 0.0 } else { rest };
                *length = square.sqrt();
                let rest = (rest + 1e-12 * square).sqrt() + 1.2e-7 * *length;
                for (value, &a) in values.iter_mut().zip(a) {
                    *value = a as f32;
                }
                values[COLUMNS] = rest as f32 * (1.0 + f32::EPSILON);
            }
        });
    Projected { values, lengths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_are_close_in_the_subspace() {
        let mut rng = stream(1, Purpose::Selection, 0);
        let mut items = |width: usize| {
            let shape = (100, 120);
            let mut items = Array2::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0f32));
            items.slice_mut(s![.., width..]).fill(0.0);
            for mut row in items.rows_mut() {
                let length = row.dot(&row).sqrt();
                row /= length;
            }
            items
        };
        for (width, closest) in [(20, 1e-6), (120, 2.0)] {
            let items = items(width);
            let bounds = Bounds::new(items.view()).unwrap();
            let queries = bounds.project(items.view());
            let mut values = vec![0.0; 100 * 100];
            bounds.write(&queries, 0..100, &mut values);
            let products = items.dot(&items.t());
            for ((query, item), &product) in products.indexed_iter() {
                let bound = values[query * 100 + item];
                assert!(bound >= bounds.limit(queries.lengths[query], 2.0 - 2.0 * product));
                assert!(bound - product < closest, "{bound} {product}");
            }
        }
    }

    #[test]
    fn where_nothing_can_be_said_there_is_no_limit() {
        let mut items = Array2::<f32>::eye(120);
        let bounds = Bounds::new(items.view()).unwrap();
        assert!(bounds.limit(f64::NAN, 1.0).is_nan());
        assert!(bounds.limit(1.0, f32::NAN).is_nan());
        assert!(bounds.limit(1e20, 1.0).is_nan());
        items[[3, 3]] = 1e20;
        assert!(Bounds::new(items.view()).is_none());
        assert!(Bounds::new(Array2::eye(20).view()).is_none());
    }
}
