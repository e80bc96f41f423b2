//! A set of embeddings searched by its own images.

use ndarray::{ArrayView1, ArrayView2, Axis, CowArray, Ix2};

use super::bootstrap::{self, Interval};
use super::curve::{self, Curves};
use super::distances::map_blocks;
use super::metrics::{Metrics, average_precision};
use super::ranking::{Ranker, Ties};

/// What to evaluate and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The images that search, by their row; `None` for all.
    pub queries: Option<&'a [u32]>,
    /// A name for each label; a class without one goes by its number.
    pub class_names: &'a [String],
    /// Whether tie-aware average precision is computed as well. It differs from
    /// the other only where distances are equal, as they often are between
    /// integer and binary codes.
    pub tie_aware: bool,
    /// Resamples of the bootstrap; 0 leaves the intervals out.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for Options<'_> {
    /// Every image a query, 1000 resamples, seed 0.
    fn default() -> Self {
        Options {
            queries: None,
            class_names: &[],
            tie_aware: false,
            resamples: bootstrap::RESAMPLES,
            seed: 0,
        }
    }
}

/// Why a set cannot be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Embeddings and labels are not of the same number.
    #[error("there are {embeddings} embeddings but {labels} labels")]
    Labels {
        /// Rows of embeddings.
        embeddings: usize,
        /// Labels.
        labels: usize,
    },
    /// More images than a 32-bit id can count.
    #[error("there are {0} images, more than 4,294,967,295")]
    TooManyImages(usize),
    /// A query is not one of the images.
    #[error("query {query} is not one of the {images} images")]
    Query {
        /// Its id.
        query: u32,
        /// Number of images.
        images: usize,
    },
    /// Nothing to measure: no query has another image of its class.
    #[error("none of the {0} queries has another image of its class to find")]
    NothingRelevant(usize),
}

/// How well a set of embeddings retrieves images of the query's class.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Images in the set: each query's gallery is all of them but itself.
    pub images: usize,
    /// The queries that were measured, by row, in the order given.
    pub queries: Vec<u32>,
    /// Queries left out because no other image has their class.
    pub queries_without_relevant: usize,
    /// The metrics of each of `queries`.
    pub per_query: Vec<Metrics>,
    /// Their means over `queries`.
    pub mean: Metrics,
    /// 95 % intervals of the means; `None` without resamples.
    pub confidence_95: Option<Metrics<Interval>>,
    /// Mean average precision where equal distances share one threshold, with
    /// its interval; only on request.
    pub tie_aware: Option<(f64, Option<Interval>)>,
    /// Share of images whose class the classifier predicts, with its interval;
    /// `None` until [`Evaluation::set_accuracy`].
    pub accuracy: Option<(f64, Option<Interval>)>,
    /// Results of the queries of each class that has any, by label.
    pub per_class: Vec<ClassResult>,
    /// The precision-recall curves.
    pub curves: Curves,
    /// Mean squared distance between a query and the other images of its class.
    pub mean_positive_distance: f64,
    /// Mean squared distance between a query and images of other classes; NaN
    /// when there are none.
    pub mean_negative_distance: f64,
    resamples: usize,
    seed: u64,
}

/// Means over the queries of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassResult {
    /// Its label.
    pub label: u16,
    /// Its name.
    pub name: String,
    /// Its number of queries.
    pub queries: usize,
    /// The means.
    pub mean: Metrics,
}

impl Evaluation {
    /// Sets the classifier's accuracy from whether each image's class was
    /// predicted, and its interval with the same resamples and seed. No image
    /// leaves it `None`.
    pub fn set_accuracy(&mut self, correct: &[bool]) {
        let rows: Vec<[f64; 1]> = correct.iter().map(|&c| [f64::from(u8::from(c))]).collect();
        self.accuracy = with_interval(&rows, self.resamples, self.seed);
    }
}

/// Lets the images of a set search it.
///
/// `embeddings` is `[N, D]` with rows of length 1, `labels` has N entries.
/// Every query ranks all images but itself by [`distances`](super::distances);
/// those of its class are relevant. Rows that hold a NaN rank last. Work is
/// split over the current rayon pool; the result is bit-identical for any
/// number of threads.
///
/// # Errors
/// See [`EvaluateError`].
pub fn evaluate(
    embeddings: ArrayView2<'_, f32>,
    labels: &[u16],
    options: &Options<'_>,
) -> Result<Evaluation, EvaluateError> {
    let images = embeddings.nrows();
    if labels.len() != images {
        return Err(EvaluateError::Labels { embeddings: images, labels: labels.len() });
    }
    if u32::try_from(images).is_err() {
        return Err(EvaluateError::TooManyImages(images));
    }
    let all: Vec<u32>;
    let asked = match options.queries {
        Some(queries) => queries,
        None => {
            all = (0..images as u32).collect();
            &all
        }
    };
    if let Some(&query) = asked.iter().find(|&&query| query as usize >= images) {
        return Err(EvaluateError::Query { query, images });
    }
    let members = members_by_class(labels);
    let relevant = |query: u32| &members[usize::from(labels[query as usize])];
    let queries: Vec<u32> =
        asked.iter().copied().filter(|&query| relevant(query).len() > 1).collect();
    if queries.is_empty() {
        return Err(EvaluateError::NothingRelevant(asked.len()));
    }

    let rows = if queries.iter().copied().eq(0..images as u32) {
        CowArray::from(embeddings)
    } else {
        let rows: Vec<usize> = queries.iter().map(|&query| query as usize).collect();
        CowArray::from(embeddings.select(Axis(0), &rows))
    };
    let kept = curve::Ranks::new(images - 1);
    let blocks = map_blocks(rows.view(), embeddings, Ranker::new, |ranker, range, distances| {
        let mut block = Block {
            per_query: Vec::with_capacity(range.len()),
            tie_aware: Vec::new(),
            curve: curve::Sums::new(&kept),
        };
        for (&query, distances) in queries[range].iter().zip(distances.outer_iter()) {
            let distances = distances.to_slice().expect("rows of a block are contiguous");
            let ranks = ranker.ranks(distances, relevant(query), Some(query), Ties::ById);
            block.per_query.push(Metrics::of(ranks).expect("has a relevant item"));
            block.curve.add(&kept, ranks);
            if options.tie_aware {
                let ranks = ranker.ranks(distances, relevant(query), Some(query), Ties::Shared);
                block.tie_aware.push([average_precision(ranks).expect("has a relevant item")]);
            }
        }
        block
    });
    let mut sums = curve::Sums::new(&kept);
    blocks.iter().for_each(|block| sums.merge(&block.curve));
    let per_query: Vec<Metrics> =
        blocks.iter().flat_map(|block| block.per_query.iter().copied()).collect();
    let tie_aware: Vec<[f64; 1]> =
        blocks.iter().flat_map(|block| block.tie_aware.iter().copied()).collect();

    let values: Vec<_> = per_query.iter().map(|metrics| metrics.to_array()).collect();
    let intervals = bootstrap::confidence_95(&values, options.resamples, options.seed);
    let separation = separation(embeddings, rows, &queries, labels, &members);
    Ok(Evaluation {
        images,
        queries_without_relevant: asked.len() - queries.len(),
        mean: mean(per_query.iter()),
        confidence_95: intervals.map(Metrics::from_array),
        tie_aware: with_interval(&tie_aware, options.resamples, options.seed),
        accuracy: None,
        per_class: per_class(&queries, &per_query, labels, options.class_names),
        curves: sums.curves(&kept),
        mean_positive_distance: separation.0,
        mean_negative_distance: separation.1,
        resamples: options.resamples,
        seed: options.seed,
        queries,
        per_query,
    })
}

/// What one block of queries gives.
struct Block {
    per_query: Vec<Metrics>,
    tie_aware: Vec<[f64; 1]>,
    curve: curve::Sums,
}

/// The images of each class, ascending.
pub(super) fn members_by_class(labels: &[u16]) -> Vec<Vec<u32>> {
    let classes = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
    let mut members = vec![Vec::new(); classes];
    for (id, &label) in (0..).zip(labels) {
        members[usize::from(label)].push(id);
    }
    members
}

fn mean<'a>(queries: impl ExactSizeIterator<Item = &'a Metrics>) -> Metrics {
    let count = queries.len() as f64;
    let mut sums = [0.0; Metrics::<f64>::LEN];
    for metrics in queries {
        sums.iter_mut().zip(metrics.to_array()).for_each(|(sum, value)| *sum += value);
    }
    Metrics::from_array(sums.map(|sum| sum / count))
}

/// The mean of one value over queries, and its interval.
fn with_interval(
    values: &[[f64; 1]],
    resamples: usize,
    seed: u64,
) -> Option<(f64, Option<Interval>)> {
    let interval = bootstrap::confidence_95(values, resamples, seed).map(|[interval]| interval);
    let sum: f64 = values.iter().map(|[value]| value).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64, interval))
}

fn per_class(
    queries: &[u32],
    per_query: &[Metrics],
    labels: &[u16],
    names: &[String],
) -> Vec<ClassResult> {
    let label_of = |place: usize| labels[queries[place] as usize];
    let mut places: Vec<usize> = (0..queries.len()).collect();
    places.sort_by_key(|&place| label_of(place));
    let classes = places.chunk_by(|&a, &b| label_of(a) == label_of(b)).map(|places| {
        let label = label_of(places[0]);
        let name = names.get(usize::from(label)).cloned().unwrap_or_else(|| label.to_string());
        let mean = mean(places.iter().map(|&place| &per_query[place]));
        ClassResult { label, name, queries: places.len(), mean }
    });
    classes.collect()
}

/// Mean distance of positive and of negative pairs, without going through the
/// pairs: the sum over y of 2 - 2 x.y is 2 n - 2 x.(sum of y).
fn separation(
    embeddings: ArrayView2<'_, f32>,
    rows: CowArray<'_, f32, Ix2>,
    queries: &[u32],
    labels: &[u16],
    members: &[Vec<u32>],
) -> (f64, f64) {
    let width = embeddings.ncols();
    let mut class_sums = vec![vec![0.0; width]; members.len()];
    let mut total = vec![0.0; width];
    for (row, &label) in embeddings.outer_iter().zip(labels) {
        let sums = class_sums[usize::from(label)].iter_mut().zip(&mut total);
        for ((class, total), &value) in sums.zip(row) {
            *class += f64::from(value);
            *total += f64::from(value);
        }
    }
    let dot = |x: ArrayView1<'_, f32>, sums: &[f64]| -> f64 {
        x.iter().zip(sums).map(|(&x, sum)| f64::from(x) * sum).sum()
    };
    let (mut positive, mut negative) = ((0.0, 0.0), (0.0, 0.0));
    for (&query, x) in queries.iter().zip(rows.outer_iter()) {
        let class = usize::from(labels[query as usize]);
        let own: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let same = (members[class].len() - 1) as f64;
        let other = (labels.len() - members[class].len()) as f64;
        let (to_class, to_all) = (dot(x, &class_sums[class]), dot(x, &total));
        positive.0 += 2.0 * same - 2.0 * (to_class - own);
        positive.1 += same;
        negative.0 += 2.0 * other - 2.0 * (to_all - to_class);
        negative.1 += other;
    }
    (positive.0 / positive.1, negative.0 / negative.1)
}
