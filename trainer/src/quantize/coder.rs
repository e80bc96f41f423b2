//! What the smaller codes of a model's embeddings need: thresholds for bits,
//! and a projection.

use lookalike::{Coder, Embedding, U8};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::Serialize;

use super::pca;
use crate::files::{binarize, project};
use crate::retrieval::codes::{Benchmark, CodeFigures, Coded};

/// What binary codes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Bits {
    /// Each value is compared with the median of its dimension.
    Median,
    /// Each value is compared with the mean of its dimension plus so many
    /// standard deviations.
    Mean {
        /// How many.
        deviations: f64,
    },
    /// The projected embedding lies on one or the other side of hyperplanes: no
    /// thresholds are needed.
    Projection,
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
    /// Whether there is neither a threshold nor a projection.
    pub fn is_empty(&self) -> bool {
        self.thresholds.is_empty() && self.offsets.is_empty()
    }

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
    /// Projections.
    pub projections: Vec<CodeTrial<Projection>>,
    /// Bits.
    pub bits: Vec<CodeTrial<Bits>>,
}

/// The most outputs that a projection can have.
pub const MAX_OUTPUTS: usize = 256;

/// Learns a coder with `outputs` projected values, 0 for none, from `training`
/// [`U8`] embeddings `[N, words]` of `dimension` values. What retrieves best
/// among `validation` is kept; if `thorough` is false, what usually does is not
/// compared with anything. Runs on rayon's current pool.
pub fn learn(
    dimension: usize,
    training: ArrayView2<'_, u32>,
    validation: ArrayView2<'_, u32>,
    benchmark: &Benchmark<'_>,
    outputs: usize,
    (thorough, seed): (bool, u64),
) -> (CoderParameters, CoderReport) {
    let rows = values(training, dimension);
    let mut kept = CoderParameters::default();
    let mut report = CoderReport { images: rows.nrows(), ..CoderReport::default() };
    if outputs > 0 {
        let choices: &[(bool, &[f64])] =
            if thorough { &[(true, WHITENINGS), (false, WHITENINGS)] } else { &[(true, &[0.0])] };
        let spaces: Vec<(Space, Projection)> = choices
            .iter()
            .flat_map(|&(centred, whitenings)| {
                let space = Space::of(&rows, centred, outputs, seed);
                let choice = move |&whitening| Projection { centred, whitening };
                whitenings.iter().map(move |whitening| (space.clone(), choice(whitening)))
            })
            .collect();
        let choices = spaces.iter().map(|(space, choice)| (*choice, space));
        (kept, report.projections) = best(choices, |choice, space| {
            let parameters = space.quantize(choice.whitening);
            let words = project(&parameters.coder(dimension), validation);
            let figures = benchmark.measure(&Coded::projected(words.view(), outputs));
            (parameters, figures)
        });
    }
    let mean = [0.0, 0.5, 1.0, 1.25, 1.5].map(|deviations| Bits::Mean { deviations });
    let projected = (outputs > 0).then_some(Bits::Projection);
    let mut choices: Vec<Bits> = projected.into_iter().chain([Bits::Median]).chain(mean).collect();
    if !thorough && outputs > 0 {
        choices.truncate(1);
    }
    let choices = choices.into_iter().map(|choice| (choice, ()));
    (kept.thresholds, report.bits) = best(choices, |choice, ()| {
        let parameters = CoderParameters { thresholds: thresholds(&rows, choice), ..kept.clone() };
        let bits = binarize(&parameters.coder(dimension), validation);
        (parameters.thresholds, benchmark.measure(&Coded::Binary(bits)))
    });
    (kept, report)
}

/// Tries all choices and gives what the best one made, and the trials, the best
/// first and of equal ones the first.
fn best<C: Copy, D, T>(
    choices: impl Iterator<Item = (C, D)>,
    attempt: impl Fn(C, D) -> (T, Option<CodeFigures>),
) -> (T, Vec<CodeTrial<C>>) {
    let mut tried: Vec<(T, CodeTrial<C>)> = choices
        .map(|(choice, data)| {
            let (made, figures) = attempt(choice, data);
            (made, CodeTrial { choice, figures })
        })
        .collect();
    let map = |trial: &CodeTrial<C>| trial.figures.map_or(0.0, |f| f.mean_average_precision);
    tried.sort_by(|(_, a), (_, b)| map(b).total_cmp(&map(a)));
    let trials = tried.iter().map(|(_, trial)| *trial).collect();
    (tried.swap_remove(0).0, trials)
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

/// In units of 2^-16; none for bits of the projection.
fn thresholds(rows: &Array2<f32>, choice: Bits) -> Vec<u16> {
    if choice == Bits::Projection {
        return Vec::new();
    }
    let of = |column: ArrayView1<'_, f32>| -> f64 {
        let column: Vec<f64> = column.iter().map(|&x| f64::from(x)).collect();
        match choice {
            Bits::Mean { deviations } => {
                let column = Array1::from(column);
                column.mean().unwrap_or(0.0) + deviations * column.std(0.0)
            }
            Bits::Median | Bits::Projection => {
                let mut column = column;
                let middle = column.len() / 2;
                *column.select_nth_unstable_by(middle, f64::total_cmp).1
            }
        }
    };
    rows.columns().into_iter().map(|column| (65_536.0 * of(column)).round() as u16).collect()
}

/// Powers of the standard deviations that are tried.
const WHITENINGS: &[f64] = &[0.0, 0.25, 0.5];

/// Principal components of embeddings.
#[derive(Clone)]
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
