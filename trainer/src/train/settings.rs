//! What a training run is determined by, besides its data.

use lookalike::Network;
use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::data::Sampler;
use crate::loss::{Margin, SmoothAp, Triplet};
use crate::optim::{OptimizerKind, Schedule};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Objective {
    /// Cross-entropy of a classifier on the features.
    CrossEntropy,
    /// A triplet loss on the embeddings.
    Triplet(Triplet),
    /// Smooth-AP on the embeddings.
    SmoothAp(SmoothAp),
}

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The network; with a classifier exactly when the objective is cross-entropy.
    pub network: Network,
    /// What is minimised.
    pub objective: Objective,
    /// The update rule.
    pub optimizer: OptimizerKind,
    /// The learning rate at its peak.
    pub lr: f32,
    /// How it changes over the run.
    pub schedule: Schedule,
    /// Passes over the data.
    pub epochs: u32,
    /// How batches are put together.
    pub sampler: Sampler,
    /// Decay of the moving average of the weights, if one is wanted.
    pub ema: Option<f32>,
    /// Where all random numbers come from.
    pub seed: u64,
}

impl Settings {
    /// Checks each number's range.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let share = |x: f32| (0.0..1.0).contains(&x);
        let decay = |x: f32| x.is_finite() && x >= 0.0;
        require(positive(self.lr), "the learning rate must be a number above 0", self.lr)?;
        require(self.epochs > 0, "the number of epochs must be at least 1", self.epochs)?;
        let images = self.sampler.batch_size()?;
        if self.objective != Objective::CrossEntropy {
            let rule = "a loss on pairs takes batches of at most 8192 images";
            require(images <= LARGEST_PAIRWISE, rule, images)?;
        }
        if let Some(ema) = self.ema {
            let rule = "the decay of the weights' average must be above 0 and below 1";
            require(share(ema) && ema > 0.0, rule, ema)?;
        }
        match self.optimizer {
            OptimizerKind::Sgd { momentum, weight_decay, .. } => {
                require(share(momentum), "the momentum must be in 0 to 1, below 1", momentum)?;
                require(decay(weight_decay), WEIGHT_DECAY, weight_decay)?;
            }
            OptimizerKind::Adam { weight_decay } | OptimizerKind::AdamW { weight_decay } => {
                require(decay(weight_decay), WEIGHT_DECAY, weight_decay)?;
            }
        }
        match self.objective {
            Objective::CrossEntropy => {}
            Objective::Triplet(Triplet { margin, anchors, .. }) => {
                let holds = match margin {
                    Margin::Hinge(margin) => decay(margin),
                    Margin::Soft => true,
                };
                require(holds, "the margin must be a number, 0 or above, or `soft`", margin)?;
                require(anchors != Some(0), "there must be at least 1 anchor", 0)?;
            }
            Objective::SmoothAp(SmoothAp { temperature }) => {
                require(positive(temperature), "the temperature must be above 0", temperature)?;
            }
        }
        Ok(())
    }
}

/// A loss on pairs holds three matrices of B x B: at this size 800 MB.
const LARGEST_PAIRWISE: usize = 8192;

const WEIGHT_DECAY: &str = "the weight decay must be a number, 0 or above";

fn require(
    holds: bool,
    rule: &'static str,
    found: impl std::fmt::Display,
) -> Result<(), TrainError> {
    if holds { Ok(()) } else { Err(TrainError::Setting { rule, found: found.to_string() }) }
}
