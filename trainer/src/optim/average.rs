//! An exponential moving average of the weights (Polyak averaging): what the
//! model file gets when `--ema` is given.

use serde::{Deserialize, Serialize};

/// The averaged weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Average {
    decay: f32,
    steps: u64,
    values: Vec<f32>,
}

impl Average {
    /// Starts at `parameters`; `decay` in (0, 1) is the share that an average
    /// keeps in a step.
    pub fn new(decay: f32, parameters: &[f32]) -> Average {
        Average { decay, steps: 0, values: parameters.to_vec() }
    }

    /// Takes in the weights after a step. Early steps count more, by the rule
    /// min(decay, (1 + n) / (10 + n)): the random start is soon forgotten.
    pub fn update(&mut self, parameters: &[f32]) {
        self.steps += 1;
        let warm = (1.0 + self.steps as f32) / (10.0 + self.steps as f32);
        let keep = self.decay.min(warm);
        for (average, p) in self.values.iter_mut().zip(parameters) {
            *average += (1.0 - keep) * (p - *average);
        }
    }

    /// The averaged weights.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
