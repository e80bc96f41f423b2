//! What a training run is determined by, besides its data.

use lookalike::Network;
use serde::{Deserialize, Serialize};

use super::{Objective, TrainError, Views};
use crate::data::{Augmentation, Sampler};
use crate::optim::{OptimizerKind, Schedule};

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The network of the model; with a classifier exactly when the objective has one.
    pub network: Network,
    /// What is minimised.
    pub objective: Objective,
    /// Whether activations are normalised over parts of a batch while training.
    pub batch_norm: bool,
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
    /// How images are distorted.
    pub augmentation: Augmentation,
    /// In which views they are shown, each a class of its own.
    pub views: Views,
    /// Whether each batch is mixed with itself in another order, images and
    /// labels, by a share drawn for it (mixup, alpha 1: Zhang et al., ICLR 2018).
    pub mixup: bool,
    /// Decay of the moving average of the weights, if one is wanted.
    pub ema: Option<f32>,
    /// CRC-32 of the parameters that the run starts from, if not from random ones.
    pub init: Option<u32>,
    /// Where all random numbers come from.
    pub seed: u64,
}

impl Settings {
    /// Settings that leave everything out that can be left out: Adam at a
    /// constant rate of 0.001, shuffled batches of 64, 20 epochs.
    pub fn plain(network: Network, objective: Objective, seed: u64) -> Settings {
        Settings {
            network,
            objective,
            batch_norm: false,
            optimizer: OptimizerKind::Adam { weight_decay: 0.0 },
            lr: 0.001,
            schedule: Schedule::Constant,
            epochs: 20,
            sampler: Sampler::Shuffled { batch_size: 64 },
            augmentation: Augmentation::NONE,
            views: Views::default(),
            mixup: false,
            ema: None,
            init: None,
            seed,
        }
    }

    /// The network as it is while training: its classifier tells views apart.
    pub fn training_network(&self) -> Network {
        let classes = self.network.classes() * usize::from(self.views.count());
        let network = u16::try_from(classes).ok().and_then(|n| self.network.with_classes(n).ok());
        network.unwrap_or(self.network)
    }

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
        if !self.objective.is_on_images() {
            let rule = "with a loss on pairs or teachers a batch has at most 8192 images";
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
        if let Err((rule, found)) = self.augmentation.check() {
            require(false, rule, found)?;
        }
        self.views.check(&self.network)?;
        let rule = "mixed images have two labels: mixup goes with a classifier's loss alone";
        let fits = self.objective.classifier.is_some() && self.objective.pairs.is_none();
        require(!self.mixup || fits, rule, "with a loss on pairs")?;
        self.objective.check()
    }
}

/// A loss on pairs holds three matrices of B x B: at this size 800 MB.
const LARGEST_PAIRWISE: usize = 8192;

const WEIGHT_DECAY: &str = "the weight decay must be a number, 0 or above";

pub(super) fn require(
    holds: bool,
    rule: &'static str,
    found: impl std::fmt::Display,
) -> Result<(), TrainError> {
    if holds { Ok(()) } else { Err(TrainError::Setting { rule, found: found.to_string() }) }
}
