//! Batch normalisation folded into the convolutions: a model file knows none.

use super::norm::EPSILON;
use super::{ConvNet, Parameters, State};

/// Mean and variance of every channel before its normalisation, over many
/// images: the average over the chunks of training-mode batches (Wu and
/// Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3).
#[derive(Clone, Debug)]
pub struct Population {
    chunks: usize,
    /// For each layer and channel, sums over chunks of the mean and of the mean square.
    sums: [Vec<[f64; 2]>; 3],
}

impl Population {
    /// Nothing seen yet.
    pub fn new(net: &ConvNet) -> Population {
        Population { chunks: 0, sums: net.network().widths().map(|w| vec![[0.0; 2]; w]) }
    }

    /// Adds the chunks of the batch that `net` saw last.
    pub fn add(&mut self, state: &State, images: usize) {
        for chunk in state.norms(images) {
            self.chunks += 1;
            for (sums, norm) in self.sums.iter_mut().zip(chunk) {
                for (sum, (&mean, &variance)) in
                    sums.iter_mut().zip(norm.mean.iter().zip(&norm.variance))
                {
                    let mean = f64::from(mean);
                    sum[0] += mean;
                    sum[1] += f64::from(variance) + mean * mean;
                }
            }
        }
    }

    /// The parameters of the network without normalisation that computes the
    /// same: `w / s` and `shift - mean / s`, s the standard deviation.
    ///
    /// # Panics
    /// When nothing was added.
    pub fn fold(&self, parameters: &Parameters) -> Parameters {
        assert!(self.chunks > 0, "no statistics");
        let mut folded = parameters.clone();
        let tensors = parameters.network.tensors();
        for (layer, sums) in self.sums.iter().enumerate() {
            let [weight, bias] = [&tensors[2 * layer], &tensors[2 * layer + 1]];
            let kernel = weight.len() / sums.len();
            for (channel, sum) in sums.iter().enumerate() {
                let [mean, square] = sum.map(|sum| sum / self.chunks as f64);
                let scale = 1.0 / ((square - mean * mean).max(0.0) + f64::from(EPSILON)).sqrt();
                for w in &mut folded.values[weight.offset + channel * kernel..][..kernel] {
                    *w = (f64::from(*w) * scale) as f32;
                }
                let shift = &mut folded.values[bias.offset + channel];
                *shift = (f64::from(*shift) - mean * scale) as f32;
            }
        }
        folded
    }
}
