//! Cross-entropy of a normalised classifier with an additive cosine margin:
//! NormFace (Wang et al., ACM MM 2017) without a margin, with one CosFace (Wang
//! et al., CVPR 2018), also called AM-softmax (Wang et al., 2018).

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use serde::{Deserialize, Serialize};

use super::cross_entropy;
use crate::nn::{normalize_backward, normalize_forward, predicted};

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CosineSoftmax {
    /// What cosines are multiplied by to become logits, above 0: they lie in -1
    /// to 1, too close together for a softmax.
    pub scale: f32,
    /// What is taken from the cosine to the image's own class, 0 or above.
    pub margin: f32,
}

impl Default for CosineSoftmax {
    /// AM-softmax's numbers, for faces.
    fn default() -> Self {
        CosineSoftmax { scale: 30.0, margin: 0.35 }
    }
}

/// What [`CosineSoftmax::evaluate`] works on, reused from step to step.
#[derive(Clone, Debug)]
pub struct CosineBuffers {
    /// Normalised weights `[K, E]`.
    w: Array2<f32>,
    /// `[B, K]`.
    logits: Array2<f32>,
    dlogits: Array2<f32>,
}

impl CosineBuffers {
    /// Space for batches of up to `batch` embeddings of `len` numbers, and
    /// `classes` classes.
    pub fn new(batch: usize, classes: usize, len: usize) -> CosineBuffers {
        let logits = Array2::zeros((batch, classes));
        CosineBuffers { w: Array2::zeros((classes, len)), dlogits: logits.clone(), logits }
    }
}

/// What the loss saw in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CosineStats {
    /// The loss.
    pub loss: f64,
    /// Images whose own class has the largest cosine, without the margin.
    pub correct: usize,
}

impl CosineSoftmax {
    /// The cross-entropy, with label smoothing as in
    /// [`cross_entropy`](super::cross_entropy), of
    /// `logits_k = scale (f . w_k / |w_k| - margin [k = label])` for the
    /// embeddings `f` `[B, E]`, L2-normalised, and class weights `w` `[K, E]` of
    /// any length.
    ///
    /// Overwrites `df`, the gradient with respect to `f`, and `dw`, that with
    /// respect to `w`, through its normalisation.
    ///
    /// # Panics
    /// When a label is not below K, or the batch is larger or K and E are
    /// others than [`CosineBuffers::new`] was given.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        w: ArrayView2<'_, f32>,
        labels: &[u16],
        smoothing: f32,
        (mut df, mut dw): (ArrayViewMut2<'_, f32>, ArrayViewMut2<'_, f32>),
        buffers: &mut CosineBuffers,
    ) -> CosineStats {
        let rows = s![..labels.len(), ..];
        let unit = &mut buffers.w;
        let mut logits = buffers.logits.slice_mut(rows);
        let mut dlogits = buffers.dlogits.slice_mut(rows);
        normalize_forward(w, unit.view_mut());
        general_mat_mul(self.scale, &f, &unit.t(), 0.0, &mut logits);
        let correct = predicted(logits.view(), labels).filter(|&right| right).count();
        for (mut row, &label) in logits.rows_mut().into_iter().zip(labels) {
            row[usize::from(label)] -= self.scale * self.margin;
        }
        let loss = cross_entropy(logits.view(), labels, smoothing, dlogits.view_mut());
        general_mat_mul(self.scale, &dlogits, unit, 0.0, &mut df);
        general_mat_mul(self.scale, &dlogits.t(), &f, 0.0, &mut dw);
        normalize_backward(w, unit.view(), dw);
        CosineStats { loss, correct }
    }
}
