//! L2 normalisation of feature vectors: `f = z / max(|z|, 1e-12)`, as
//! PyTorch's `normalize`.

use ndarray::{ArrayView2, ArrayViewMut2, Zip};

/// The smallest norm that is divided by.
const SMALLEST: f32 = 1e-12;

fn norm(z: ndarray::ArrayView1<'_, f32>) -> f32 {
    z.dot(&z).sqrt().max(SMALLEST)
}

/// `z`: features `[B, E]`; `f`: embeddings `[B, E]`.
pub fn normalize_forward(z: ArrayView2<'_, f32>, mut f: ArrayViewMut2<'_, f32>) {
    for (z, mut f) in z.rows().into_iter().zip(f.rows_mut()) {
        let scale = 1.0 / norm(z);
        Zip::from(&mut f).and(z).for_each(|f, &z| *f = z * scale);
    }
}

/// Turns `d`, the gradient with respect to `f`, into the gradient with respect
/// to `z`: `dz = (df - f (f . df)) / |z|`, the part of `df` along `f` removed.
/// A clamped norm is a constant, so there `dz = df / 1e-12`.
pub fn normalize_backward(
    z: ArrayView2<'_, f32>,
    f: ArrayView2<'_, f32>,
    mut d: ArrayViewMut2<'_, f32>,
) {
    for ((z, f), mut d) in z.rows().into_iter().zip(f.rows()).zip(d.rows_mut()) {
        let norm = norm(z);
        let along = if norm > SMALLEST { f.dot(&d) } else { 0.0 };
        let scale = 1.0 / norm;
        Zip::from(&mut d).and(f).for_each(|d, &f| *d = (*d - f * along) * scale);
    }
}
