//! Softmax cross-entropy, the mean over the batch.

use ndarray::{ArrayView2, ArrayViewMut2};

/// The mean over the batch of `-sum over k of q_k log softmax(logits_i)_k` for
/// logits `[B, K]` and targets `q_k = (1 - smoothing) [k = label_i] + smoothing / K`
/// (label smoothing: Szegedy et al., CVPR 2016; as PyTorch's `cross_entropy`);
/// `dlogits = (softmax(logits) - q) / B`. `smoothing` is in 0..=1.
///
/// # Panics
/// When a label is not below K.
pub fn cross_entropy(
    logits: ArrayView2<'_, f32>,
    labels: &[u16],
    smoothing: f32,
    mut dlogits: ArrayViewMut2<'_, f32>,
) -> f64 {
    let mean = 1.0 / labels.len() as f32;
    let classes = logits.ncols() as f32;
    let (own, every) = (1.0 - smoothing, smoothing / classes);
    let mut loss = 0.0;
    for ((logits, mut d), &label) in logits.rows().into_iter().zip(dlogits.rows_mut()).zip(labels) {
        // exp(x - max) cannot overflow; the sum is at least 1.
        let max = logits.fold(f32::NEG_INFINITY, |max, &x| max.max(x));
        let mut sum = 0.0;
        for (d, &x) in d.iter_mut().zip(logits) {
            *d = (x - max).exp();
            sum += *d;
        }
        let log = sum.ln();
        let label = usize::from(label);
        loss += f64::from(own * (log - (logits[label] - max)));
        if smoothing > 0.0 {
            loss += f64::from(every * logits.fold(0.0, |sum, &x| sum + (log - (x - max))));
        }
        d.map_inplace(|d| *d = *d * (mean / sum) - mean * every);
        d[label] -= mean * own;
    }
    loss / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn huge_logits_do_not_overflow() {
        let logits = array![[1000.0, 0.0], [-1000.0, 0.0]];
        let mut d = logits.clone();
        let loss = cross_entropy(logits.view(), &[0, 0], 0.0, d.view_mut());
        assert_eq!(loss, 500.0);
        assert_eq!(d, array![[0.0, 0.0], [-0.5, 0.5]]);
    }
}
