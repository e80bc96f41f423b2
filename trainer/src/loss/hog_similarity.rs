//! Images that look alike keep embeddings that are alike.

use lookalike::Shape;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::Pairs;
use crate::hog::Hog;

/// Under the variances, so that equal similarities divide by no zero.
const EPSILON: f64 = 1e-9;

/// For each image of a batch, 1 minus Pearson's correlation between the
/// similarities of its embedding to the others, `f_i . f_j`, and those of its
/// histograms of gradients ([`Hog`]), centred over the batch; the mean over images.
///
/// Similarity-preserving distillation (Tung and Mori, ICCV 2019) with a teacher
/// that has learned nothing, and with correlation in place of squared
/// differences (Huang et al., "Knowledge Distillation from A Stronger Teacher",
/// NeurIPS 2022, section 3), so that only the order and the relative size of
/// similarities are taught. What a network learns of a few classes then stays a
/// refinement of a similarity that all images have.
#[derive(Clone, Debug)]
pub struct HogSimilarity {
    hog: Hog,
    /// `[B, Hog::LEN]`.
    descriptors: Array2<f32>,
    /// Their similarities `[B, B]`.
    teacher: Array2<f32>,
}

impl HogSimilarity {
    /// Space for batches of up to `batch` images of `shape`.
    pub fn new(batch: usize, shape: Shape) -> HogSimilarity {
        HogSimilarity {
            hog: Hog::new(shape),
            descriptors: Array2::zeros((batch, Hog::LEN)),
            teacher: Array2::zeros((batch, batch)),
        }
    }

    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, of images that
    /// `image(i)` gives, height x width x channels; overwrites the gradient `df`.
    ///
    /// # Panics
    /// When the batch is larger than [`HogSimilarity::new`] was given, or an
    /// image has another shape.
    pub fn evaluate<'i>(
        &mut self,
        f: ArrayView2<'_, f32>,
        image: impl Fn(usize) -> &'i [f32] + Sync,
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> f64 {
        let b = f.nrows();
        self.teach(b, image);
        let (similarity, mut gradient) = pairs.compute(f);
        let teacher = self.teacher.slice(s![..b, ..b]);
        let rows = similarity.rows().into_iter().zip(teacher.rows()).zip(gradient.rows_mut());
        let correlations =
            rows.enumerate().map(|(i, ((s, t), gradient))| correlation(i, s, t, gradient));
        let loss = correlations.map(|correlation| 1.0 - correlation).sum::<f64>() / b as f64;
        gradient.mapv_inplace(|g| -g / b as f32);
        pairs.backward(f, df);
        loss
    }

    /// The similarities of the first `b` images.
    fn teach<'i>(&mut self, b: usize, image: impl Fn(usize) -> &'i [f32] + Sync) {
        let mut descriptors = self.descriptors.slice_mut(s![..b, ..]);
        descriptors.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
            self.hog.describe(image(i), row.as_slice_mut().expect("rows lie whole in memory"));
        });
        if let Some(mean) = descriptors.mean_axis(Axis(0)) {
            descriptors -= &mean;
        }
        for mut row in descriptors.rows_mut() {
            let norm = row.dot(&row).sqrt().max(1e-12);
            row /= norm;
        }
        let mut teacher = self.teacher.slice_mut(s![..b, ..b]);
        ndarray::linalg::general_mat_mul(1.0, &descriptors, &descriptors.t(), 0.0, &mut teacher);
    }
}

/// Pearson's correlation of `s` and `t` without their values at `own`, and its
/// gradient with respect to `s`.
fn correlation(
    own: usize,
    s: ArrayView1<'_, f32>,
    t: ArrayView1<'_, f32>,
    mut gradient: ArrayViewMut1<'_, f32>,
) -> f64 {
    let others = || (0..s.len()).filter(|&j| j != own);
    let wide = |j: usize| [f64::from(s[j]), f64::from(t[j])];
    let count = (s.len() - 1).max(1) as f64;
    let sums = others().map(wide).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    let [mean_s, mean_t] = sums.map(|sum| sum / count);
    let centred = |j: usize| {
        let [s, t] = wide(j);
        (s - mean_s, t - mean_t)
    };
    let (mut uu, mut vv, mut uv) = (EPSILON, EPSILON, 0.0);
    for (u, v) in others().map(centred) {
        uu += u * u;
        vv += v * v;
        uv += u * v;
    }
    let scale = 1.0 / (uu * vv).sqrt();
    let correlation = uv * scale;
    for j in others() {
        let (u, v) = centred(j);
        gradient[j] = (v * scale - correlation * u / uu) as f32;
    }
    correlation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::RngExt;

    const SHAPE: Shape = Shape { height: 9, width: 7, channels: 1 };

    /// Random embeddings and images.
    fn random(batch: usize) -> (Array2<f32>, Array2<f32>) {
        let mut rng = stream(1, Purpose::Initialisation, 0);
        let mut random = |rows, columns| {
            Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0..1.0f32))
        };
        (random(batch, 4), random(batch, SHAPE.len()))
    }

    fn evaluate(f: &Array2<f32>, images: &Array2<f32>) -> (f64, Array2<f32>) {
        let mut df = f.clone();
        let mut loss = HogSimilarity::new(f.nrows() + 2, SHAPE);
        let image = |i: usize| images.row(i).to_slice().unwrap();
        let pairs = &mut Pairs::new(f.nrows() + 2);
        (loss.evaluate(f.view(), image, df.view_mut(), pairs), df)
    }

    /// By the formula, in f64.
    fn naive(f: &Array2<f32>, images: &Array2<f32>) -> f64 {
        let batch = f.nrows();
        let mut descriptors = Array2::zeros((batch, Hog::LEN));
        for (image, mut row) in images.rows().into_iter().zip(descriptors.rows_mut()) {
            Hog::new(SHAPE).describe(image.to_slice().unwrap(), row.as_slice_mut().unwrap());
        }
        let descriptors = descriptors.mapv(f64::from);
        let centred = &descriptors - &descriptors.mean_axis(Axis(0)).unwrap();
        let f = f.mapv(f64::from);
        let of_image = |i: usize| {
            let others: Vec<usize> = (0..batch).filter(|&j| j != i).collect();
            let cosine = |a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>| {
                a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
            };
            let s: Vec<f64> = others.iter().map(|&j| f.row(i).dot(&f.row(j))).collect();
            let t: Vec<f64> =
                others.iter().map(|&j| cosine(centred.row(i), centred.row(j))).collect();
            let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
            let covariance = |a: &[f64], b: &[f64]| {
                let (mean_a, mean_b) = (mean(a), mean(b));
                a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
            };
            1.0 - covariance(&s, &t) / (covariance(&s, &s) * covariance(&t, &t)).sqrt()
        };
        (0..batch).map(of_image).sum::<f64>() / batch as f64
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_formula() {
        let (f, images) = random(6);
        let (found, df) = evaluate(&f, &images);
        let expected = naive(&f, &images);
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        for (at, &g) in df.indexed_iter() {
            let [low, high] = [-1e-3, 1e-3].map(|h| {
                let mut moved = f.clone();
                moved[at] += h;
                naive(&moved, &images)
            });
            let slope = (high - low) / 2e-3;
            assert!((slope - f64::from(g)).abs() < 1e-3, "{g} instead of {slope}");
        }
    }

    #[test]
    fn embeddings_as_alike_as_the_images_cost_nothing() {
        let (_, images) = random(6);
        let mut teacher = HogSimilarity::new(6, SHAPE);
        teacher.teach(6, |i| images.row(i).to_slice().unwrap());
        let (loss, df) = evaluate(&teacher.descriptors, &images);
        assert!(loss.abs() < 1e-6, "{loss}");
        assert!(df.iter().all(|g| g.abs() < 1e-4), "{df:?}");
    }

    #[test]
    fn nothing_to_compare_gives_a_finite_gradient() {
        let (f, images) = random(6);
        for batch in 1..3 {
            let rows = s![..batch, ..];
            let (loss, df) = evaluate(&f.slice(rows).to_owned(), &images);
            assert!(loss.is_finite() && df.iter().all(|&g| g == 0.0), "{loss} {df:?}");
        }
        let (equal, blank) = (Array2::ones((6, 4)), Array2::zeros((6, SHAPE.len())));
        for (f, images) in [(&equal, &images), (&f, &blank)] {
            let (loss, df) = evaluate(f, images);
            assert!(loss.is_finite() && df.iter().all(|g| g.is_finite()), "{loss} {df:?}");
        }
    }
}
