//! All pairs of a batch: similarities, and the gradients that come back.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// Similarities `s_ij = f_i . f_j` of a batch of embeddings and the loss's
/// gradient with respect to each, reused from step to step.
#[derive(Clone, Debug)]
pub struct Pairs {
    similarity: Array2<f32>,
    gradient: Array2<f32>,
    symmetric: Array2<f32>,
}

impl Pairs {
    /// Space for batches of up to `batch` embeddings.
    pub fn new(batch: usize) -> Pairs {
        let square = Array2::zeros((batch, batch));
        Pairs { similarity: square.clone(), gradient: square.clone(), symmetric: square }
    }

    /// Computes all similarities of the embeddings `f` `[B, E]` and clears the
    /// gradient; returns both, `[B, B]`.
    ///
    /// # Panics
    /// When B is above the size that [`Pairs::new`] was given.
    pub fn compute(
        &mut self,
        f: ArrayView2<'_, f32>,
    ) -> (ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>) {
        let b = f.nrows();
        let mut similarity = self.similarity.slice_mut(s![..b, ..b]);
        general_mat_mul(1.0, &f, &f.t(), 0.0, &mut similarity);
        let mut gradient = self.gradient.slice_mut(s![..b, ..b]);
        gradient.fill(0.0);
        (self.similarity.slice(s![..b, ..b]), gradient)
    }

    /// Mean squared distance `2 - 2 s_ij` between different embeddings of one
    /// label, and between those of different labels, of the batch that
    /// [`Pairs::compute`] saw last; `None` when there are none of either.
    pub fn mean_distances(&self, labels: &[u16]) -> Option<[f64; 2]> {
        let (mut sums, mut counts) = ([0.0f64; 2], [0u32; 2]);
        for (i, label) in labels.iter().enumerate() {
            for (s, other) in self.similarity.row(i).iter().zip(&labels[..i]) {
                let kind = usize::from(label != other);
                sums[kind] += 2.0 - 2.0 * f64::from(*s);
                counts[kind] += 1;
            }
        }
        let mean = |kind: usize| sums[kind] / f64::from(counts[kind]);
        (counts[0] > 0 && counts[1] > 0).then(|| [mean(0), mean(1)])
    }

    /// The gradient of the embeddings from that of the similarities:
    /// `df = (G + G^T) f`, for `s_ij` has a part in both rows.
    pub fn backward(&mut self, f: ArrayView2<'_, f32>, mut df: ArrayViewMut2<'_, f32>) {
        let b = f.nrows();
        let gradient = self.gradient.slice(s![..b, ..b]);
        let mut symmetric = self.symmetric.slice_mut(s![..b, ..b]);
        symmetric.assign(&gradient);
        symmetric += &gradient.t();
        general_mat_mul(1.0, &symmetric, &f, 0.0, &mut df);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn mean_distances_are_of_pairs_of_different_embeddings() {
        let mut pairs = Pairs::new(4);
        let f = array![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]];
        pairs.compute(f.view());
        // Of one label: 0 and 3 (0), 1 and 2 (2); of two: 2, 4, 2 and 4.
        assert_eq!(pairs.mean_distances(&[7, 8, 8, 7]), Some([1.0, 3.0]));
        assert_eq!(pairs.mean_distances(&[7, 7, 7, 7]), None);
        assert_eq!(pairs.mean_distances(&[1, 2, 3, 4]), None);
    }
}
