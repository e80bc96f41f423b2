//! Images that are alike to a teacher keep embeddings that are alike.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use super::Pairs;

/// Under the variances, so that equal similarities divide by no zero.
const EPSILON: f64 = 1e-9;

/// For each image of a batch, 1 minus Pearson's correlation between the
/// similarities of its embedding to those of the others, `f_i . f_j`, and what
/// `teacher` `[B, B]` says of them; the mean over images. `f` `[B, E]` is
/// L2-normalised; overwrites the gradient `df`. Values on the teacher's diagonal
/// do not count.
///
/// Similarity-preserving distillation (Tung and Mori, ICCV 2019) with correlation
/// in place of squared differences (Huang et al., "Knowledge Distillation from A
/// Stronger Teacher", NeurIPS 2022, section 3), so that only the order and the
/// relative size of similarities are taught.
///
/// # Panics
/// When the teacher's matrix is not of the batch's size, or the batch larger
/// than `pairs` has space for.
pub fn taught_similarity(
    f: ArrayView2<'_, f32>,
    teacher: ArrayView2<'_, f32>,
    df: ArrayViewMut2<'_, f32>,
    pairs: &mut Pairs,
) -> f64 {
    let b = f.nrows();
    assert_eq!(teacher.dim(), (b, b), "a similarity for each pair");
    let (similarity, mut gradient) = pairs.compute(f);
    let rows = similarity.rows().into_iter().zip(teacher.rows()).zip(gradient.rows_mut());
    let losses =
        rows.enumerate().map(|(i, ((s, t), gradient))| 1.0 - correlation(i, s, t, gradient));
    let loss = losses.sum::<f64>() / b as f64;
    gradient.mapv_inplace(|g| -g / b as f32);
    pairs.backward(f, df);
    loss
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
    use ndarray::{Array2, s};
    use rand::RngExt;

    /// Random embeddings, and similarities of others.
    fn random(batch: usize) -> (Array2<f32>, Array2<f32>) {
        let mut rng = stream(1, Purpose::Initialisation, 0);
        let mut random = |rows, columns| {
            Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0..1.0f32))
        };
        let (f, other) = (random(batch, 4), random(batch, 5));
        (f, other.dot(&other.t()))
    }

    fn evaluate(f: &Array2<f32>, teacher: &Array2<f32>) -> (f64, Array2<f32>) {
        let mut df = f.clone();
        let pairs = &mut Pairs::new(f.nrows() + 2);
        (taught_similarity(f.view(), teacher.view(), df.view_mut(), pairs), df)
    }

    /// By the formula, in f64.
    fn naive(f: &Array2<f32>, teacher: &Array2<f32>) -> f64 {
        let f = f.mapv(f64::from);
        let of_image = |i: usize| {
            let others: Vec<usize> = (0..f.nrows()).filter(|&j| j != i).collect();
            let s: Vec<f64> = others.iter().map(|&j| f.row(i).dot(&f.row(j))).collect();
            let t: Vec<f64> = others.iter().map(|&j| f64::from(teacher[[i, j]])).collect();
            let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
            let covariance = |a: &[f64], b: &[f64]| {
                let (mean_a, mean_b) = (mean(a), mean(b));
                a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
            };
            1.0 - covariance(&s, &t) / (covariance(&s, &s) * covariance(&t, &t)).sqrt()
        };
        (0..f.nrows()).map(of_image).sum::<f64>() / f.nrows() as f64
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_formula() {
        let (f, teacher) = random(6);
        let (found, df) = evaluate(&f, &teacher);
        let expected = naive(&f, &teacher);
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        for (at, &g) in df.indexed_iter() {
            let [low, high] = [-1e-3, 1e-3].map(|h| {
                let mut moved = f.clone();
                moved[at] += h;
                naive(&moved, &teacher)
            });
            let slope = (high - low) / 2e-3;
            assert!((slope - f64::from(g)).abs() < 1e-3, "{g} instead of {slope}");
        }
    }

    #[test]
    fn scale_offset_and_diagonal_of_the_teacher_do_not_matter() {
        let (f, teacher) = random(6);
        let mut other = &teacher * 7.0 - 3.0;
        other.diag_mut().fill(-90.0);
        let (found, expected) = (evaluate(&f, &other).0, evaluate(&f, &teacher).0);
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        let (own, df) = evaluate(&f, &f.dot(&f.t()));
        assert!(own.abs() < 1e-6 && df.iter().all(|g| g.abs() < 1e-4), "{own} {df:?}");
    }

    #[test]
    fn nothing_to_compare_gives_a_finite_gradient() {
        let (f, teacher) = random(6);
        for batch in 1..3 {
            let (f, teacher) = (f.slice(s![..batch, ..]), teacher.slice(s![..batch, ..batch]));
            let (loss, df) = evaluate(&f.to_owned(), &teacher.to_owned());
            assert!(loss.is_finite() && df.iter().all(|&g| g == 0.0), "{loss} {df:?}");
        }
        let equal = (Array2::ones((6, 4)), Array2::zeros((6, 6)));
        for (f, teacher) in [(&equal.0, &teacher), (&f, &equal.1)] {
            let (loss, df) = evaluate(f, teacher);
            assert!(loss.is_finite() && df.iter().all(|g| g.is_finite()), "{loss} {df:?}");
        }
    }
}
