//! Images whose pixels are alike keep embeddings that are alike.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use super::Pairs;

/// `mean over i, j of (f_i . f_j - x_i . x_j)^2`, `x` the L2-normalised pixels
/// of the network's input counted from black: similarity-preserving
/// distillation (Tung and Mori, ICCV 2019) with the pixels as the teacher. What
/// a network learns of a few classes then stays a refinement of the similarity
/// that all images have.
#[derive(Clone, Debug)]
pub struct PixelSimilarity {
    /// Normalised pixels `[B, P]`.
    pixels: Array2<f32>,
    teacher: Array2<f32>,
}

impl PixelSimilarity {
    /// Space for batches of up to `batch` images of `len` values.
    pub fn new(batch: usize, len: usize) -> PixelSimilarity {
        PixelSimilarity {
            pixels: Array2::zeros((batch, len)),
            teacher: Array2::zeros((batch, batch)),
        }
    }

    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, of images whose
    /// network inputs, in -1..=1, `input(i)` gives; overwrites the gradient `df`.
    ///
    /// # Panics
    /// When the batch or an input is larger than [`PixelSimilarity::new`] was given.
    pub fn evaluate<'i>(
        &mut self,
        f: ArrayView2<'_, f32>,
        input: impl Fn(usize) -> &'i [f32],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> f64 {
        let b = f.nrows();
        let mut pixels = self.pixels.slice_mut(s![..b, ..]);
        for (i, mut row) in pixels.rows_mut().into_iter().enumerate() {
            let mut norm = 0.0;
            for (x, &value) in row.iter_mut().zip(input(i)) {
                *x = value + 1.0;
                norm += *x * *x;
            }
            let scale = 1.0 / norm.sqrt().max(1e-12);
            row.mapv_inplace(|x| x * scale);
        }
        let mut teacher = self.teacher.slice_mut(s![..b, ..b]);
        ndarray::linalg::general_mat_mul(1.0, &pixels, &pixels.t(), 0.0, &mut teacher);
        let (similarity, mut gradient) = pairs.compute(f);
        let mean = 1.0 / (b * b) as f32;
        let mut loss = 0.0;
        for ((g, &s), &t) in gradient.iter_mut().zip(&similarity).zip(&teacher) {
            let d = s - t;
            loss += f64::from(d * d);
            *g = 2.0 * mean * d;
        }
        pairs.backward(f, df);
        loss * f64::from(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::RngExt;

    #[test]
    fn loss_and_gradient_are_those_of_the_formula() {
        let (batch, len, pixels) = (5, 4, 6);
        let mut rng = stream(1, Purpose::Initialisation, 0);
        let mut random = |rows, columns| {
            Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0..1.0f32))
        };
        let (f, x) = (random(batch, len), random(batch, pixels));
        let value = |f: &Array2<f32>| -> f64 {
            let unit: Vec<Vec<f64>> = (x.rows().into_iter())
                .map(|row| {
                    let row: Vec<f64> = row.iter().map(|&v| f64::from(v) + 1.0).collect();
                    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                    row.iter().map(|v| v / norm).collect()
                })
                .collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let wide: Vec<Vec<f64>> =
                f.rows().into_iter().map(|r| r.iter().map(|&v| f64::from(v)).collect()).collect();
            let all = (0..batch * batch).map(|k| (k / batch, k % batch));
            all.map(|(i, j)| (dot(&wide[i], &wide[j]) - dot(&unit[i], &unit[j])).powi(2))
                .sum::<f64>()
                / (batch * batch) as f64
        };
        let mut df = f.clone();
        let mut loss = PixelSimilarity::new(batch + 2, pixels);
        let input = |i: usize| x.row(i).to_slice().unwrap();
        let found = loss.evaluate(f.view(), input, df.view_mut(), &mut Pairs::new(batch + 2));
        assert!((found - value(&f)).abs() < 1e-6, "{found} instead of {}", value(&f));
        for (at, &g) in df.indexed_iter() {
            let [low, high] = [-1e-3, 1e-3].map(|h| {
                let mut moved = f.clone();
                moved[at] += h;
                value(&moved)
            });
            let slope = (high - low) / 2e-3;
            assert!((slope - f64::from(g)).abs() < 1e-4, "{g} instead of {slope}");
        }
    }
}
