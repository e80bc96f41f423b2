//! Smooth-AP (Brown et al., ECCV 2020): one minus the mean over queries of an
//! average precision whose ranks are made smooth.

use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::Pairs;

/// The loss's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothAp {
    /// Temperature of the sigmoid that stands for "is nearer than"; the paper's is 0.01.
    pub temperature: f32,
}

impl Default for SmoothAp {
    fn default() -> Self {
        SmoothAp { temperature: 0.01 }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl SmoothAp {
    /// The loss of the embeddings `f` `[B, E]`, L2-normalised, and its gradient
    /// `df`; `None` (and a gradient of zero) when no image has another of its class.
    ///
    /// With `u_j = sigmoid((s_ij - s_ip) / t)`, positive p of query i has
    /// `N = 1 + sum of u_j over the other positives` and `D = N + sum of u_j
    /// over the negatives`; AP is the mean of N / D over p.
    pub fn evaluate(
        &self,
        f: ArrayView2<'_, f32>,
        labels: &[u16],
        df: ArrayViewMut2<'_, f32>,
        pairs: &mut Pairs,
    ) -> Option<f64> {
        let (similarity, mut gradient) = pairs.compute(f);
        let t = f64::from(self.temperature);
        let mut ap_sum = 0.0;
        let mut queries = 0;
        let mut nearer = vec![0.0; labels.len()];
        for query in 0..labels.len() {
            let relevant = |j: usize| labels[j] == labels[query];
            let positives = (0..labels.len()).filter(|&j| relevant(j)).count() - 1;
            if positives == 0 {
                continue;
            }
            queries += 1;
            let s = similarity.row(query);
            let mut row = gradient.row_mut(query);
            for p in (0..labels.len()).filter(|&p| p != query && relevant(p)) {
                let (mut n, mut d) = (1.0, 1.0);
                for j in (0..labels.len()).filter(|&j| j != query && j != p) {
                    nearer[j] = sigmoid((f64::from(s[j]) - f64::from(s[p])) / t);
                    d += nearer[j];
                    n += if relevant(j) { nearer[j] } else { 0.0 };
                }
                ap_sum += n / d / positives as f64;
                for j in (0..labels.len()).filter(|&j| j != query && j != p) {
                    // d(N / D) / du_j, then du_j / ds.
                    let by_u = if relevant(j) { d - n } else { -n } / (d * d);
                    let by_s = by_u * nearer[j] * (1.0 - nearer[j]) / t / positives as f64;
                    row[j] -= by_s as f32;
                    row[p] += by_s as f32;
                }
            }
        }
        let scale = 1.0 / queries.max(1) as f32;
        gradient.map_inplace(|g| *g *= scale);
        pairs.backward(f, df);
        (queries > 0).then(|| 1.0 - ap_sum / queries as f64)
    }
}
