//! The classifier: one linear layer on the features.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

/// `logits = z W^T + b`: features `z` `[B, E]`, weights `[K, E]`, logits `[B, K]`.
pub fn linear_forward(
    z: ArrayView2<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
    mut logits: ArrayViewMut2<'_, f32>,
) {
    logits.assign(&bias);
    general_mat_mul(1.0, &z, &weight.t(), 1.0, &mut logits);
}

/// `dW = dlogits^T z`, `db = sum of dlogits over the batch`, `dz = dlogits W`;
/// all three are overwritten.
pub fn linear_backward(
    z: ArrayView2<'_, f32>,
    weight: ArrayView2<'_, f32>,
    dlogits: ArrayView2<'_, f32>,
    mut dweight: ArrayViewMut2<'_, f32>,
    mut dbias: ArrayViewMut1<'_, f32>,
    mut dz: ArrayViewMut2<'_, f32>,
) {
    general_mat_mul(1.0, &dlogits.t(), &z, 0.0, &mut dweight);
    dbias.fill(0.0);
    for d in dlogits.axis_iter(Axis(0)) {
        dbias += &d;
    }
    general_mat_mul(1.0, &dlogits, &weight, 0.0, &mut dz);
}

/// For each image whether its label's logit is the largest of its row `[K]`.
///
/// # Panics
/// When a label is not below K.
pub fn predicted(logits: ArrayView2<'_, f32>, labels: &[u16]) -> impl Iterator<Item = bool> {
    (0..labels.len()).map(move |i| {
        let row = logits.row(i);
        let own = row[usize::from(labels[i])];
        row.iter().all(|&other| other <= own)
    })
}
