//! The supervised contrastive loss (Khosla et al., NeurIPS 2020), in the form
//! L_out: the sum over positives outside of the logarithm.

use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::Pairs;

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SupervisedContrastive {
    /// What similarities are divided by; the paper's is 0.1.
    pub temperature: f32,
}

impl Default for SupervisedContrastive {
    fn default() -> Self {
        SupervisedContrastive { temperature: 0.1 }
    }
}

impl SupervisedContrastive {
    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, and its gradient
    /// `df`; `None` (and a gradient of zero) when no image has another of its
    /// class.
    ///
    /// The mean over the anchors i that have positives of
    /// `-mean over positives p of log(exp(s_ip / t) / sum over j != i of exp(s_ij / t))`.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        labels: &[u16],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> Option<f64> {
        let (similarity, mut gradient) = pairs.compute(f);
        let t = f64::from(self.temperature);
        let mut sum_of_losses = 0.0;
        let mut anchors = 0;
        for (anchor, (s, mut row)) in
            similarity.rows().into_iter().zip(gradient.rows_mut()).enumerate()
        {
            let others = || (0..labels.len()).filter(|&j| j != anchor);
            let is_positive = |j: usize| labels[j] == labels[anchor];
            let positives = others().filter(|&j| is_positive(j)).count() as f64;
            if positives == 0.0 {
                continue;
            }
            anchors += 1;
            // exp(x - max) cannot overflow; the sum is at least 1.
            let max = others().fold(f32::NEG_INFINITY, |max, j| max.max(s[j]));
            let mut sum = 0.0;
            let mut of_positives = 0.0;
            for j in others() {
                let x = (f64::from(s[j]) - f64::from(max)) / t;
                let e = x.exp();
                row[j] = e as f32;
                sum += e;
                of_positives += if is_positive(j) { x } else { 0.0 };
            }
            sum_of_losses += sum.ln() - of_positives / positives;
            for j in others() {
                let target = if is_positive(j) { 1.0 / positives } else { 0.0 };
                row[j] = ((f64::from(row[j]) / sum - target) / t) as f32;
            }
        }
        let scale = 1.0 / anchors.max(1) as f32;
        gradient.map_inplace(|g| *g *= scale);
        pairs.backward(f, df);
        (anchors > 0).then(|| sum_of_losses / f64::from(anchors))
    }
}
