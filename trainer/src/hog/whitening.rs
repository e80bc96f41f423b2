//! Histograms in which what all images share counts for little.

use ndarray::{Array1, Array2, ArrayViewMut2, Axis, linalg::general_mat_mul};

use super::Hog;
use crate::data::Dataset;

/// Images whose descriptors are held at once.
const BLOCK: usize = 4096;

/// Takes from descriptors what they have in common with those of other images
/// (Hariharan, Malik and Ramanan, "Discriminative Decorrelation for Clustering
/// and Classification", ECCV 2012, section 2): with mean m and covariance S of
/// the images that it was made for, and v their mean variance,
///
/// `z = L^-1 (x - m),   L L^T = S + v I`.
///
/// Directions in which images vary much, the coarse outline of a garment, then
/// weigh as much as the fine ones in which few differ.
#[derive(Clone, Debug)]
pub struct Whitening {
    mean: Array1<f32>,
    /// `L^-1`, transposed: `[Hog::LEN, Hog::LEN]`, descriptors from the left.
    matrix: Array2<f32>,
}

impl Whitening {
    /// For images like those of `data`. Sums run in a fixed order: the result
    /// does not depend on the number of threads.
    pub fn of(data: &Dataset) -> Whitening {
        let mut sum = Array1::<f64>::zeros(Hog::LEN);
        let mut squares = Array2::<f64>::zeros((Hog::LEN, Hog::LEN));
        let hog = Hog::new(data.shape);
        for first in (0..data.len()).step_by(BLOCK) {
            let images = first..data.len().min(first + BLOCK);
            let rows = hog.describe_all(data, images).mapv(f64::from);
            sum += &rows.sum_axis(Axis(0));
            general_mat_mul(1.0, &rows.t(), &rows, 1.0, &mut squares);
        }
        let count = data.len().max(1) as f64;
        let mean = sum / count;
        let mut covariance = squares / count;
        for ((i, j), value) in covariance.indexed_iter_mut() {
            *value -= mean[i] * mean[j];
        }
        let variance = covariance.diag().sum() / Hog::LEN as f64;
        // Images without any edge vary in nothing.
        let ridge = if variance > 0.0 { variance } else { 1.0 };
        covariance.diag_mut().mapv_inplace(|value| value + ridge);
        let matrix = inverse_of_factor(covariance).reversed_axes();
        Whitening { mean: mean.mapv(|x| x as f32), matrix: matrix.mapv(|x| x as f32) }
    }

    /// Overwrites `to` with the whitened `rows`, both `[N, Hog::LEN]`; `rows` are
    /// then without the mean.
    pub fn apply(&self, mut rows: ArrayViewMut2<'_, f32>, mut to: ArrayViewMut2<'_, f32>) {
        rows -= &self.mean;
        general_mat_mul(1.0, &rows, &self.matrix, 0.0, &mut to);
    }
}

/// `L^-1` of the Cholesky factor L of a symmetric positive definite matrix
/// (Golub and Van Loan, Matrix Computations, 4.2 and 3.1).
fn inverse_of_factor(mut a: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
            let value = a[[i, j]] - dot;
            // A rounding error below zero is none of a matrix with a ridge.
            a[[i, j]] =
                if i == j { value.max(f64::MIN_POSITIVE).sqrt() } else { value / a[[j, j]] };
        }
    }
    let mut inverse = Array2::zeros((n, n));
    for j in 0..n {
        inverse[[j, j]] = 1.0 / a[[j, j]];
        for i in j + 1..n {
            let dot: f64 = (j..i).map(|k| a[[i, k]] * inverse[[k, j]]).sum();
            inverse[[i, j]] = -dot / a[[i, i]];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use lookalike::Shape;
    use rand::RngExt;

    #[test]
    fn the_factor_s_inverse_whitens() {
        let mut rng = stream(6, Purpose::Selection, 0);
        let rows = Array2::from_shape_simple_fn((40, 9), || rng.random_range(-1.0..1.0f64));
        let a = rows.t().dot(&rows) + Array2::<f64>::eye(9);
        let inverse = inverse_of_factor(a.clone());
        let identity = inverse.dot(&a).dot(&inverse.t());
        for ((i, j), value) in identity.indexed_iter() {
            let expected = f64::from(u8::from(i == j));
            assert!((value - expected).abs() < 1e-12, "{identity:?}");
        }
    }

    #[test]
    fn whitened_descriptors_have_the_covariance_of_the_formula() {
        let mut rng = stream(7, Purpose::Selection, 0);
        let shape = Shape { height: 20, width: 22, channels: 1 };
        // More than one block; smooth images, so that descriptors are correlated.
        let count = BLOCK + 500;
        let pixel = |image: usize, i: usize, phase: f64| {
            let (y, x) = ((i / shape.width) as f64, (i % shape.width) as f64);
            let wave = (x * (1 + image % 5) as f64 + y * (image % 7) as f64) * 0.1 + phase;
            (wave.sin() * 100.0 + 128.0) as u8
        };
        let mut pixels = Vec::new();
        for image in 0..count {
            let phase = rng.random_range(0.0..6.0);
            pixels.extend((0..shape.len()).map(|i| pixel(image, i, phase)));
        }
        let data = Dataset { shape, pixels, labels: vec![0; count], class_names: vec!["a".into()] };
        let mut rows = Hog::new(shape).describe_all(&data, 0..count);
        let covariance = |rows: &Array2<f32>| {
            let rows = rows.mapv(f64::from);
            let rows = &rows - &rows.mean_axis(Axis(0)).unwrap();
            rows.t().dot(&rows) / count as f64
        };
        let before = covariance(&rows);
        let ridge = before.diag().mean().unwrap();
        let mut whitened = Array2::zeros(rows.raw_dim());
        Whitening::of(&data).apply(rows.view_mut(), whitened.view_mut());
        // S (S + v I)^-1 has the trace of L^-1 S L^-T.
        let after = covariance(&whitened);
        let inverse = inverse_of_factor(&before + &(Array2::<f64>::eye(Hog::LEN) * ridge));
        let expected = inverse.dot(&before).dot(&inverse.t());
        let error = (&after - &expected).mapv(f64::abs).into_iter().fold(0.0, f64::max);
        assert!(error < 1e-3, "{error}");
        assert!(whitened.mean_axis(Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-3));
    }

    #[test]
    fn images_without_edges_stay_finite() {
        let shape = Shape { height: 20, width: 20, channels: 1 };
        let data = Dataset {
            shape,
            pixels: vec![9; 3 * shape.len()],
            labels: vec![0; 3],
            class_names: vec!["a".into()],
        };
        let mut rows = Hog::new(shape).describe_all(&data, 0..3);
        let mut whitened = Array2::from_elem(rows.raw_dim(), f32::NAN);
        Whitening::of(&data).apply(rows.view_mut(), whitened.view_mut());
        assert!(whitened.iter().all(|&value| value == 0.0));
    }
}
