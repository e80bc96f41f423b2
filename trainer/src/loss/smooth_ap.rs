//! Smooth-AP (Brown et al., ECCV 2020): one minus the mean over queries of an
//! average precision whose ranks are made smooth.

use ndarray::parallel::prelude::*;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use pulp::Arch;
use serde::{Deserialize, Serialize};

use super::Pairs;
use super::sigmoid::sigmoid;

/// Numbers that are summed side by side: the widest vector in use.
const LANES: usize = 16;

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothAp {
    /// Temperature of the sigmoid that stands for "is nearer than"; the paper's is 0.01.
    pub temperature: f32,
}

impl Default for SmoothAp {
    fn default() -> Self {
        SmoothAp { temperature: 0.01 }
    }
}

impl SmoothAp {
    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, and its gradient
    /// `df`; `None` (and a gradient of zero) when no image has another of its
    /// class. Queries run on rayon's current pool; the result does not depend
    /// on its size.
    ///
    /// With `u_j = sigmoid((s_ij - s_ip) / t)`, positive p of query i has
    /// `N = 1 + sum of u_j over the other positives` and `D = N + sum of u_j
    /// over the negatives`; AP is the mean of N / D over p.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        labels: &[u16],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> Option<f64> {
        let (similarity, mut gradient) = pairs.compute(f);
        let arch = Arch::new();
        let per_temperature = 1.0 / self.temperature;
        let precisions: Vec<Option<f64>> = gradient
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(similarity.axis_iter(Axis(0)).into_par_iter())
            .enumerate()
            .map_init(Query::default, |query, (i, (gradient, similarity))| {
                query.look(i, labels, similarity);
                if query.positives.images.is_empty() {
                    return None;
                }
                let ap = arch.dispatch(
                    #[inline(always)]
                    || query.average_precision(per_temperature),
                );
                query.write(gradient);
                Some(ap)
            })
            .collect();
        let queries = precisions.iter().flatten().count();
        let scale = 1.0 / queries.max(1) as f32;
        gradient.map_inplace(|g| *g *= scale);
        pairs.backward(f, df);
        let sum: f64 = precisions.iter().flatten().sum();
        (queries > 0).then(|| 1.0 - sum / queries as f64)
    }
}

/// A query's positives or its negatives. The lists of numbers are filled up to
/// whole vectors.
#[derive(Default)]
struct Side {
    /// Their places in the batch.
    images: Vec<usize>,
    /// Their similarities to the query, then minus infinity: never nearer.
    similarity: Vec<f32>,
    /// `u` and its slope, for the positive that is looked at.
    nearer: Vec<f32>,
    slope: Vec<f32>,
    /// The gradient of the query's AP with respect to the similarities.
    gradient: Vec<f32>,
}

/// One query, and what is needed to work on it.
#[derive(Default)]
struct Query {
    positives: Side,
    negatives: Side,
}

impl Side {
    fn start(&mut self, similarity: ArrayView1<'_, f32>) {
        let len = self.images.len().next_multiple_of(LANES);
        self.similarity.clear();
        self.similarity.extend(self.images.iter().map(|&image| similarity[image]));
        self.similarity.resize(len, f32::NEG_INFINITY);
        self.nearer.resize(len, 0.0);
        self.slope.resize(len, 0.0);
        self.gradient.clear();
        self.gradient.resize(len, 0.0);
    }

    /// Sums over all of `u = sigmoid((similarity - than) / t)` and of its
    /// slopes, which stay in `slope`.
    #[inline(always)]
    fn nearer(&mut self, than: f32, per_temperature: f32) -> (f64, f64) {
        let places = self.nearer.iter_mut().zip(&mut self.slope);
        for (&s, (u, slope)) in self.similarity.iter().zip(places) {
            (*u, *slope) = sigmoid((s - than) * per_temperature);
        }
        (sum(&self.nearer), sum(&self.slope))
    }

    /// Adds `weight` times the slopes to the gradient.
    #[inline(always)]
    fn pull(&mut self, weight: f32) {
        for (gradient, slope) in self.gradient.iter_mut().zip(&self.slope) {
            *gradient += weight * slope;
        }
    }

    fn write(&self, row: &mut ArrayViewMut1<'_, f32>) {
        for (&image, &gradient) in self.images.iter().zip(&self.gradient) {
            // The loss is one minus the mean AP.
            row[image] = -gradient;
        }
    }
}

/// The sum of whole vectors of numbers, lane by lane: its order, and so its
/// bits, do not depend on the width of the processor's vectors.
#[inline(always)]
fn sum(values: &[f32]) -> f64 {
    let mut sums = [0.0f32; LANES];
    for vector in values.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += vector[lane];
        }
    }
    sums.iter().map(|&sum| f64::from(sum)).sum()
}

impl Query {
    fn look(&mut self, query: usize, labels: &[u16], similarity: ArrayView1<'_, f32>) {
        let Query { positives, negatives } = self;
        positives.images.clear();
        negatives.images.clear();
        for (i, &label) in labels.iter().enumerate() {
            if label != labels[query] {
                negatives.images.push(i);
            } else if i != query {
                positives.images.push(i);
            }
        }
        positives.start(similarity);
        negatives.start(similarity);
    }

    /// The AP; leaves its gradient with both sides.
    #[inline(always)]
    fn average_precision(&mut self, per_temperature: f32) -> f64 {
        let Query { positives, negatives } = self;
        let count = positives.images.len() as f64;
        let mut ap = 0.0;
        for p in 0..positives.images.len() {
            let own = positives.similarity[p];
            let (nearer, slopes) = positives.nearer(own, per_temperature);
            let (wrong, wrong_slopes) = negatives.nearer(own, per_temperature);
            // The positive itself is in the sum, with sigmoid(0).
            let n = 0.5 + nearer;
            let d = n + wrong;
            ap += n / d;
            // d(N / D) / du_j.
            let scale = f64::from(per_temperature) / (d * d * count);
            let (by_positive, by_negative) = (wrong * scale, -n * scale);
            positives.pull(by_positive as f32);
            negatives.pull(by_negative as f32);
            // Its own slope is in both and cancels.
            let by_own = by_positive * slopes + by_negative * wrong_slopes;
            positives.gradient[p] -= by_own as f32;
        }
        ap / count
    }

    fn write(&self, mut row: ArrayViewMut1<'_, f32>) {
        self.positives.write(&mut row);
        self.negatives.write(&mut row);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use pulp::x86::V3;
    use rand::RngExt;

    #[test]
    fn bits_do_not_depend_on_the_width_of_vectors() {
        let Some(narrow) = V3::try_new() else { return };
        let mut rng = stream(1, Purpose::Selection, 0);
        let labels: Vec<u16> = (0..75).map(|_| rng.random_range(0..3)).collect();
        let similarity = ndarray::Array1::from_shape_simple_fn(75, || rng.random_range(0.8..1.0));
        let bits = |arch: Arch| {
            let mut query = Query::default();
            query.look(5, &labels, similarity.view());
            let ap = arch.dispatch(
                #[inline(always)]
                || query.average_precision(100.0),
            );
            let mut row = ndarray::Array1::zeros(75);
            query.write(row.view_mut());
            (ap.to_bits(), row.mapv(f32::to_bits))
        };
        let wide = bits(Arch::new());
        assert_eq!(wide, bits(Arch::V3(narrow)));
        assert_eq!(wide, bits(Arch::Scalar));
    }
}
