//! What the smaller codes of a model's embeddings need: thresholds for bits,
//! and a projection.

use lookalike::{Coder, Embedding, U8};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::Serialize;

use super::pca;
use crate::retrieval::codes::{Benchmark, CodeFigures, Coded};

/// Where a dimension's threshold lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// At the median of the training images.
    Median,
    /// At their mean.
    Mean,
}

/// How the projection is made of the principal components.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// Whether the mean embedding is subtracted.
    pub centred: bool,
    /// Component i, of standard deviation s_i, is divided by s_i to this power:
    /// 1 would be whitening.
    pub whitening: f64,
}

/// The parameters of a [`Coder`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoderParameters {
    /// One for each dimension.
    pub thresholds: Vec<u16>,
    /// `[output][dimension]`.
    pub weights: Vec<i8>,
    /// One for each output.
    pub offsets: Vec<i32>,
}

impl CoderParameters {
    /// The coder itself.
    ///
    /// # Panics
    /// When `dimension` is not that of the embeddings they were learned from.
    pub fn coder(&self, dimension: usize) -> Coder<'_> {
        Coder::new(dimension, &self.thresholds, &self.weights, &self.offsets)
            .expect("parameters are made within their ranges")
    }
}

/// What was tried for one code, on validation images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CodeTrial<T> {
    /// What was done.
    pub choice: T,
    /// How the validation images retrieve one another.
    pub figures: Option<CodeFigures>,
}

/// What was tried for the coder; the first ones are used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CoderReport {
    /// Images that it was learned from.
    pub images: usize,
    /// Thresholds of bits.
    pub thresholds: Vec<CodeTrial<Threshold>>,
    /// Projections.
    pub projections: Vec<CodeTrial<Projection>>,
}

/// The most outputs that a projection can have.
pub const MAX_OUTPUTS: usize = 256;

/// Learns a coder with `outputs` projected values, 0 for none, from `training`
/// [`U8`] embeddings `[N, words]` of `dimension` values. What retrieves best
/// among `validation` is kept. Runs on rayon's current pool.
pub fn learn(
    dimension: usize,
    training: ArrayView2<'_, u32>,
    validation: ArrayView2<'_, u32>,
    benchmark: &Benchmark<'_>,
    outputs: usize,
    seed: u64,
) -> (CoderParameters, CoderReport) {
    let rows = values(training, dimension);
    let map = |figures: &Option<CodeFigures>| figures.map_or(0.0, |f| f.mean_average_precision);
    let mut report = CoderReport { images: rows.nrows(), ..CoderReport::default() };

    let mut tried: Vec<(Vec<u16>, CodeTrial<Threshold>)> = [Threshold::Median, Threshold::Mean]
        .into_iter()
        .map(|choice| {
            let thresholds = thresholds(&rows, choice);
            let parameters = CoderParameters { thresholds, ..CoderParameters::default() };
            let bits = binarize(&parameters.coder(dimension), validation);
            let figures = benchmark.measure(&Coded::Binary(bits));
            (parameters.thresholds, CodeTrial { choice, figures })
        })
        .collect();
    tried.sort_by(|(_, a), (_, b)| map(&b.figures).total_cmp(&map(&a.figures)));
    report.thresholds = tried.iter().map(|(_, trial)| *trial).collect();
    let mut parameters =
        CoderParameters { thresholds: tried.swap_remove(0).0, ..CoderParameters::default() };

    if outputs > 0 {
        let choices = [false, true].into_iter().flat_map(|centred| {
            [0.0, 0.25, 0.5, 0.75].map(|whitening| Projection { centred, whitening })
        });
        let spaces = [false, true].map(|centred| Space::of(&rows, centred, outputs, seed));
        let mut tried: Vec<(CoderParameters, CodeTrial<Projection>)> = choices
            .map(|choice| {
                let parameters = spaces[usize::from(choice.centred)].quantize(choice.whitening);
                let words = project(&parameters.coder(dimension), validation);
                let figures = benchmark.measure(&Coded::projected(words.view(), outputs));
                (parameters, CodeTrial { choice, figures })
            })
            .collect();
        tried.sort_by(|(_, a), (_, b)| map(&b.figures).total_cmp(&map(&a.figures)));
        report.projections = tried.iter().map(|(_, trial)| *trial).collect();
        let best = tried.swap_remove(0).0;
        (parameters.weights, parameters.offsets) = (best.weights, best.offsets);
    }
    (parameters, report)
}

/// The embeddings as vectors of unit length.
fn values(words: ArrayView2<'_, u32>, dimension: usize) -> Array2<f32> {
    let mut values = Array2::zeros((words.nrows(), dimension));
    for (words, mut row) in words.outer_iter().zip(values.outer_iter_mut()) {
        let embedding = embedding(&words);
        row.iter_mut().zip(embedding.values()).for_each(|(to, value)| *to = value);
    }
    values
}

fn embedding<'a>(words: &'a ArrayView1<'_, u32>) -> Embedding<'a, U8> {
    Embedding::from_slice(words.as_slice().expect("standard layout")).expect("the model's own")
}

/// The bits of [`U8`] embeddings `[N, words]`.
pub fn binarize(coder: &Coder<'_>, words: ArrayView2<'_, u32>) -> Array2<u32> {
    let width = lookalike::Binary::words(coder.dimension());
    let mut bits = Array2::zeros((words.nrows(), width));
    for (words, mut row) in words.outer_iter().zip(bits.outer_iter_mut()) {
        let row = row.as_slice_mut().expect("standard layout");
        coder.binarize(&embedding(&words), row).expect("lengths fit");
    }
    bits
}

/// The projections of [`U8`] embeddings `[N, words]`.
pub fn project(coder: &Coder<'_>, words: ArrayView2<'_, u32>) -> Array2<u32> {
    let width = lookalike::Projected::words(coder.outputs());
    let mut projected = Array2::zeros((words.nrows(), width));
    for (words, mut row) in words.outer_iter().zip(projected.outer_iter_mut()) {
        let row = row.as_slice_mut().expect("standard layout");
        coder.project(&embedding(&words), row).expect("lengths fit");
    }
    projected
}

/// In units of 2^-16, below 1.
fn thresholds(rows: &Array2<f32>, choice: Threshold) -> Vec<u16> {
    let of = |column: ArrayView1<'_, f32>| -> f64 {
        match choice {
            Threshold::Mean => {
                column.iter().map(|&x| f64::from(x)).sum::<f64>() / column.len() as f64
            }
            Threshold::Median => {
                let mut column = column.to_vec();
                let middle = column.len() / 2;
                f64::from(*column.select_nth_unstable_by(middle, f32::total_cmp).1)
            }
        }
    };
    rows.columns().into_iter().map(|column| (65_536.0 * of(column)).round() as u16).collect()
}

/// Principal components of embeddings.
struct Space {
    mean: Array1<f64>,
    /// `[output][dimension]`.
    directions: Array2<f64>,
    variances: Array1<f64>,
    outputs: usize,
}

impl Space {
    fn of(rows: &Array2<f32>, centred: bool, outputs: usize, seed: u64) -> Space {
        let mut mean = Array1::zeros(rows.ncols());
        let mut moved = rows.clone();
        if centred {
            mean = rows.mapv(f64::from).mean_axis(Axis(0)).expect("there are images");
            moved -= &mean.mapv(|x| x as f32);
        }
        let (directions, variances) = pca::leading(moved.view(), outputs, seed);
        Space { mean, directions, variances, outputs }
    }

    /// All weights share one scale, which makes the largest 127. Components that
    /// do not exist, or do not vary, get zero weights.
    fn quantize(&self, whitening: f64) -> CoderParameters {
        let dimension = self.mean.len();
        let mut rows = Array2::<f64>::zeros((self.outputs, dimension));
        let widest = self.variances.iter().fold(0.0f64, |m, &v| m.max(v));
        for ((mut row, direction), &variance) in
            rows.outer_iter_mut().zip(self.directions.outer_iter()).zip(&self.variances)
        {
            if variance > 1e-9 * widest {
                row.assign(&(&direction * variance.powf(-0.5 * whitening)));
            }
        }
        let largest = rows.iter().fold(0.0f64, |m, w| m.max(w.abs()));
        let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let weights: Vec<i8> = rows.iter().map(|w| (w * scale).round() as i8).collect();
        let offsets = weights.chunks_exact(dimension).map(|row| {
            let sum: f64 = row.iter().zip(&self.mean).map(|(&w, m)| f64::from(w) * m).sum();
            (32_768.0 * sum).round() as i32
        });
        CoderParameters { thresholds: Vec::new(), offsets: offsets.collect(), weights }
    }
}
