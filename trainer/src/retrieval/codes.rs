//! Embeddings in any code, searched by one another: what a code costs.
//!
//! Integer codes are compared by the integer arithmetic of the device, whose
//! distances `f32` represents exactly, so rankings and ties are the device's.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde::Serialize;

use super::distances::{block_rows, squared_distances};
use super::evaluate::members_by_class;
use super::key::key;
use super::metrics::Metrics;
use super::ranking::{Ranker, Ties};
use super::search::top_k;

/// Embeddings of one set, by whose distances items are ranked.
#[derive(Clone, Debug)]
pub enum Coded {
    /// Normalised rows `[N, D]`.
    F32(Array2<f32>),
    /// The values of [`U8`](lookalike::U8) embeddings `[N, D]`, and their
    /// first words.
    U8(Array2<f32>, Vec<u32>),
    /// The same of [`Projected`](lookalike::Projected) ones.
    Projected(Array2<f32>, Vec<u32>),
    /// The words of [`Binary`](lookalike::Binary) embeddings `[N, W]`.
    Binary(Array2<u32>),
    /// The first of `shortlist` items by Hamming distance are ranked by the
    /// second, all others follow by Hamming distance.
    TwoStage {
        /// The bits.
        binary: Array2<u32>,
        /// [`Coded::U8`], which ranks the shortlist.
        values: Box<Coded>,
        /// Items that are ranked by it.
        shortlist: usize,
    },
}

/// GEMM in f32 is exact for so many products of bytes: 258 x 255^2 < 2^24.
const EXACT: usize = 256;

impl Coded {
    /// From the words of embeddings, `[N, W]`, of `dimension` values.
    pub fn u8(words: ArrayView2<'_, u32>, dimension: usize) -> Coded {
        let bytes = |word: u32, lane: usize| f32::from(word.to_le_bytes()[lane]);
        let (values, norms) = unpack(words, dimension, bytes);
        Coded::U8(values, norms)
    }

    /// From the words of embeddings, `[N, W]`, of `outputs` values.
    pub fn projected(words: ArrayView2<'_, u32>, outputs: usize) -> Coded {
        let bytes = |word: u32, lane: usize| f32::from(word.to_le_bytes()[lane].cast_signed());
        let (values, norms) = unpack(words, outputs, bytes);
        Coded::Projected(values, norms)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        match self {
            Coded::F32(values) | Coded::U8(values, _) | Coded::Projected(values, _) => {
                values.nrows()
            }
            Coded::Binary(words) | Coded::TwoStage { binary: words, .. } => words.nrows(),
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what ranks all items for each of the queries: `[queries, N]`.
    fn distances(&self, queries: Range<usize>, mut out: ArrayViewMut2<'_, f32>) {
        match self {
            Coded::F32(values) => {
                squared_distances(values.slice(s![queries, ..]), values.view(), out);
            }
            Coded::U8(values, norms) => {
                products(values, queries.clone(), out.view_mut());
                for (query, mut row) in queries.zip(out.outer_iter_mut()) {
                    for (distance, &norm) in row.iter_mut().zip(norms) {
                        *distance = cosine_distance(*distance, norms[query], norm, 55);
                    }
                }
            }
            Coded::Projected(values, norms) => {
                products(values, queries.clone(), out.view_mut());
                for (query, mut row) in queries.zip(out.outer_iter_mut()) {
                    for (distance, &norm) in row.iter_mut().zip(norms) {
                        *distance = cosine_distance(*distance, norms[query], norm, 53);
                    }
                }
            }
            Coded::Binary(words) => hamming(words, queries, out),
            Coded::TwoStage { binary, values, shortlist } => {
                hamming(binary, queries.clone(), out.view_mut());
                let mut exact = Array2::zeros(out.raw_dim());
                values.distances(queries.clone(), exact.view_mut());
                for ((query, mut row), exact) in
                    queries.zip(out.outer_iter_mut()).zip(exact.outer_iter())
                {
                    rerank(row.as_slice_mut().expect("standard layout"), query, *shortlist, |id| {
                        exact[id as usize]
                    });
                }
            }
        }
    }
}

/// The number of bits that differ.
fn hamming(words: &Array2<u32>, queries: Range<usize>, mut out: ArrayViewMut2<'_, f32>) {
    let width = words.ncols();
    let words = words.as_slice().expect("standard layout");
    for (query, mut row) in queries.zip(out.outer_iter_mut()) {
        let query = &words[query * width..(query + 1) * width];
        for (distance, item) in row.iter_mut().zip(words.chunks_exact(width)) {
            let differing = query.iter().zip(item).map(|(x, y)| (x ^ y).count_ones());
            *distance = differing.sum::<u32>() as f32;
        }
    }
}

/// Puts the `shortlist` nearest items, the query aside, in front, by `distance`
/// and then by id, and all others behind them as they were.
fn rerank(row: &mut [f32], query: usize, shortlist: usize, distance: impl Fn(u32) -> f32) {
    let ids = (0..row.len() as u32).filter(|&id| id as usize != query);
    let mut nearest: Vec<u64> = ids.map(|id| key(row[id as usize], id)).collect();
    if shortlist < nearest.len() {
        nearest.select_nth_unstable(shortlist);
        nearest.truncate(shortlist);
    }
    let id = |key: u64| key as u32;
    nearest.iter_mut().for_each(|item| *item = key(distance(id(*item)), id(*item)));
    nearest.sort_unstable();
    row.iter_mut().for_each(|d| *d += shortlist as f32);
    for (place, item) in nearest.into_iter().enumerate() {
        row[id(item) as usize] = place as f32;
    }
}

/// Values and first words.
fn unpack(
    words: ArrayView2<'_, u32>,
    dimension: usize,
    value: impl Fn(u32, usize) -> f32,
) -> (Array2<f32>, Vec<u32>) {
    let values = Array2::from_shape_fn((words.nrows(), dimension), |(i, d)| {
        value(words[[i, 1 + d / 4]], d % 4)
    });
    (values, words.column(0).to_vec())
}

/// Scalar products of integers, exact as long as they are below 2^24, which
/// holds for up to 258 values of a byte. Longer ones are rounded as f32 does.
fn products(values: &Array2<f32>, queries: Range<usize>, mut out: ArrayViewMut2<'_, f32>) {
    out.fill(0.0);
    let mut part = Array2::zeros(out.raw_dim());
    for columns in values.axis_chunks_iter(Axis(1), EXACT) {
        let queries = columns.slice(s![queries.clone(), ..]);
        ndarray::linalg::general_mat_mul(1.0, &queries, &columns.t(), 0.0, &mut part);
        out += &part;
    }
}

/// 2^23 - sign(s) floor((|s| r r' + half) / 2^shift), in units of 2^-22.
fn cosine_distance(dot: f32, x: u32, y: u32, shift: u32) -> f32 {
    let product = dot.abs() as u128 * u128::from(x) * u128::from(y);
    let cosine = ((product + (1 << (shift - 1))) >> shift) as f32;
    const ORTHOGONAL: f32 = 8_388_608.0;
    ORTHOGONAL - if dot < 0.0 { -cosine } else { cosine.min(ORTHOGONAL) }
}

/// How well one code retrieves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CodeFigures {
    /// Mean average precision.
    pub mean_average_precision: f64,
    /// MAP@R.
    pub map_at_r: f64,
    /// Queries whose nearest item is relevant.
    pub precision_at_1: f64,
    /// The share of the 10 nearest neighbours by exact f32 distances that are
    /// among the 10 nearest of this code.
    pub recall_at_10: f64,
}

/// The nearest items of each item, itself aside.
pub const NEIGHBOURS: usize = 10;

/// What is measured of each code, for the same items.
pub struct Benchmark<'a> {
    labels: &'a [u16],
    members: Vec<Vec<u32>>,
    exact: Vec<Vec<u32>>,
}

impl<'a> Benchmark<'a> {
    /// Prepares for items with `labels`, whose exact normalised embeddings are
    /// `[N, D]`. Runs on rayon's current pool.
    pub fn new(labels: &'a [u16], exact: ArrayView2<'_, f32>) -> Benchmark<'a> {
        let ids: Vec<u32> = (0..labels.len() as u32).collect();
        let found = super::search(exact, exact, NEIGHBOURS, Some(&ids));
        Benchmark {
            labels,
            members: members_by_class(labels),
            exact: found.iter().map(|found| found.iter().map(|m| m.id).collect()).collect(),
        }
    }

    /// Lets every item search all others. `None` if no item has another of its
    /// class. Runs on rayon's current pool.
    ///
    /// # Panics
    /// When there are not as many items as labels.
    pub fn measure(&self, items: &Coded) -> Option<CodeFigures> {
        assert_eq!(items.len(), self.labels.len());
        let rows = block_rows(items.len());
        let blocks: Vec<([f64; 4], usize)> = (0..items.len().div_ceil(rows))
            .into_par_iter()
            .map(|block| {
                let queries = block * rows..((block + 1) * rows).min(items.len());
                let mut distances = Array2::zeros((queries.len(), items.len()));
                items.distances(queries.clone(), distances.view_mut());
                self.sums(queries, &distances)
            })
            .collect();
        let (mut sums, mut count) = ([0.0; 4], 0);
        for (block, queries) in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
            count += queries;
        }
        let [map, map_at_r, first, recall] = sums.map(|sum| sum / count as f64);
        (count > 0).then_some(CodeFigures {
            mean_average_precision: map,
            map_at_r,
            precision_at_1: first,
            recall_at_10: recall,
        })
    }

    /// The sums of the figures over queries, and how many these are.
    fn sums(&self, queries: Range<usize>, distances: &Array2<f32>) -> ([f64; 4], usize) {
        let mut ranker = Ranker::new();
        let (mut sums, mut count) = ([0.0; 4], 0);
        for (query, row) in queries.zip(distances.outer_iter()) {
            let row = row.to_slice().expect("standard layout");
            let relevant = &self.members[usize::from(self.labels[query])];
            let ranks = ranker.ranks(row, relevant, Some(query as u32), Ties::ById);
            let Some(metrics) = Metrics::of(ranks) else { continue };
            let exact = &self.exact[query];
            let found = top_k(row, exact.len(), Some(query as u32));
            let hits = found.iter().filter(|m| exact.contains(&m.id)).count();
            let figures = [
                metrics.average_precision,
                metrics.map_at_r,
                metrics.precision_at[0],
                hits as f64 / exact.len() as f64,
            ];
            sums.iter_mut().zip(figures).for_each(|(sum, value)| *sum += value);
            count += 1;
        }
        (sums, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use lookalike::{Binary, Code, Coder, Embedding, Gallery, Matches, Projected, TwoStage, U8};
    use rand::RngExt;

    const ITEMS: usize = 60;
    const DIMENSION: usize = 40;
    const OUTPUTS: usize = 12;

    /// [`U8`] embeddings of sparse random vectors, two of them equal.
    fn u8_words() -> Array2<u32> {
        let mut rng = stream(5, Purpose::Selection, 0);
        let mut words = Array2::zeros((ITEMS, U8::words(DIMENSION)));
        for (item, mut row) in words.outer_iter_mut().enumerate() {
            let mut values: [f32; DIMENSION] =
                std::array::from_fn(|_| rng.random_range(-0.5f32..1.0).max(0.0));
            let embedding = Embedding::normalize(&mut values).unwrap();
            if item != 17 {
                U8::encode(&embedding, row.as_slice_mut().unwrap()).unwrap();
            }
        }
        let first = words.row(0).to_owned();
        words.row_mut(33).assign(&first);
        words
    }

    /// The neighbours of each item, itself aside, by the core's own gallery.
    fn neighbours<const W: usize, C: Code<Word = u32>>(words: &Array2<u32>) -> Vec<Vec<u32>> {
        let mut gallery = Gallery::<'_, ITEMS, W, C>::empty();
        let embedding =
            |row: usize| Embedding::<C>::from_slice(words.row(row).to_slice().unwrap()).unwrap();
        for item in 0..ITEMS {
            gallery.enrol("", &embedding(item)).unwrap();
        }
        let found = (0..ITEMS).map(|item| {
            let found: Matches<ITEMS> = gallery.search(&embedding(item));
            found.iter().map(|m| m.id).filter(|&id| id as usize != item).take(20).collect()
        });
        found.collect()
    }

    fn ranked(coded: &Coded) -> Vec<Vec<u32>> {
        let mut distances = Array2::zeros((ITEMS, ITEMS));
        coded.distances(0..ITEMS, distances.view_mut());
        let rows = distances.outer_iter().enumerate();
        let found = rows.map(|(query, row)| {
            let nearest = top_k(row.to_slice().unwrap(), 20, Some(query as u32));
            nearest.iter().map(|m| m.id).collect()
        });
        found.collect()
    }

    #[test]
    fn rankings_are_those_of_the_core() {
        let words = u8_words();
        let mut rng = stream(6, Purpose::Selection, 0);
        let weights: Vec<i8> =
            (0..OUTPUTS * DIMENSION).map(|_| rng.random_range(-127..=127)).collect();
        let coder = Coder::new(DIMENSION, &[], &weights, &[0; OUTPUTS]).unwrap();
        let projected = crate::files::project(&coder, words.view());
        let bits = crate::files::binarize(&coder, words.view());
        let values = Coded::u8(words.view(), DIMENSION);
        assert_eq!(ranked(&values), neighbours::<11, U8>(&words));
        assert_eq!(
            ranked(&Coded::projected(projected.view(), OUTPUTS)),
            neighbours::<4, Projected>(&projected)
        );
        assert_eq!(ranked(&Coded::Binary(bits.clone())), neighbours::<2, Binary>(&bits));
        let both = ndarray::concatenate![Axis(1), bits, words].as_standard_layout().to_owned();
        let all = Coded::TwoStage { binary: bits, values: Box::new(values), shortlist: ITEMS };
        assert_eq!(ranked(&all), neighbours::<13, TwoStage>(&both));
    }

    #[test]
    fn behind_the_shortlist_bits_rank() {
        let binary = Array2::from_shape_vec((5, 1), vec![0, 0b111, 0b1, 0b11, 0b1]).unwrap();
        let values = Array2::from_shape_vec((5, 1), vec![0.0, 1.0, 2.0, 3.0, 4.0]).unwrap();
        let exact = Coded::F32(values);
        let coded = Coded::TwoStage { binary, values: Box::new(exact), shortlist: 2 };
        let mut distances = Array2::zeros((1, 5));
        // Of the shortlist 2 and 4 the latter has the larger product.
        coded.distances(1..2, distances.view_mut());
        let order = |row: &[f32], query| -> Vec<u32> {
            top_k(row, 4, Some(query)).iter().map(|m| m.id).collect()
        };
        // From item 1, 0b111: Hamming distances 3, 2, 1, 2 to items 0, 2, 3, 4.
        assert_eq!(order(distances.as_slice().unwrap(), 1), [3, 2, 4, 0]);
    }

    #[test]
    fn exact_embeddings_recall_themselves() {
        let values = Array2::from_shape_fn((40, 2), |(i, d)| {
            let angle = 0.02 * i as f32;
            if d == 0 { angle.cos() } else { angle.sin() }
        });
        let labels: Vec<u16> = (0..40).map(|i| i / 20).collect();
        let benchmark = Benchmark::new(&labels, values.view());
        let figures = benchmark.measure(&Coded::F32(values.clone())).unwrap();
        assert_eq!(figures.recall_at_10, 1.0);
        assert!(figures.mean_average_precision > 0.8 && figures.precision_at_1 > 0.9);
        let lonely: Vec<u16> = (0..40).collect();
        assert_eq!(Benchmark::new(&lonely, values.view()).measure(&Coded::F32(values)), None);
    }
}
