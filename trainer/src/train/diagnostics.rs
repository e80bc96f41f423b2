//! What an epoch looked like, and what it warns of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Objective, StepStats};

/// Means over an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochStats {
    /// The loss, the mean over batches weighted by their images.
    pub loss: f64,
    /// Share of training images that the classifier got right, as it learned.
    pub accuracy: Option<f64>,
    /// Figures of a loss on pairs.
    pub pairs: Option<PairMeans>,
}

/// Means of a loss on pairs over an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairMeans {
    /// Mean squared distance of images to others of their class.
    pub positive: f64,
    /// Mean squared distance of images to those of other classes.
    pub negative: f64,
    /// With a triplet loss, the share of the mined triplets whose term is
    /// above zero; with a soft margin all are.
    pub active: Option<f64>,
}

/// Sums that become [`EpochStats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct EpochSums {
    images: usize,
    loss: f64,
    correct: Option<usize>,
    batches: usize,
    mined: u64,
    active: Option<u64>,
    positive: f64,
    negative: f64,
}

impl EpochSums {
    pub fn add(&mut self, step: &StepStats) {
        self.images += step.images;
        self.loss += step.loss * step.images as f64;
        if let Some(correct) = step.correct {
            *self.correct.get_or_insert(0) += correct;
        }
        if let Some([positive, negative]) = step.distances {
            self.batches += 1;
            self.positive += positive;
            self.negative += negative;
        }
        if let Some(triplets) = step.triplets {
            self.mined += triplets.mined;
            *self.active.get_or_insert(0) += triplets.active;
        }
    }

    pub fn means(&self) -> EpochStats {
        let images = self.images.max(1) as f64;
        EpochStats {
            loss: self.loss / images,
            accuracy: self.correct.map(|correct| correct as f64 / images),
            pairs: (self.batches > 0).then(|| PairMeans {
                positive: self.positive / self.batches as f64,
                negative: self.negative / self.batches as f64,
                active: self.active.map(|active| active as f64 / self.mined.max(1) as f64),
            }),
        }
    }
}

/// A sign that a run learns nothing, with advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// All embeddings lie on one point.
    Collapsed,
    /// No triplet has a term that counts.
    NothingActive,
}

/// Below this mean squared distance between images of different classes
/// (cosine above 0.9995) an embedding tells nothing apart.
const COLLAPSED_BELOW: f64 = 1e-3;

impl EpochStats {
    /// What these figures warn of under `objective`.
    pub fn warning(&self, objective: &Objective) -> Option<Warning> {
        let pairs = self.pairs.filter(|_| objective.pairs.is_some())?;
        if pairs.negative < COLLAPSED_BELOW {
            Some(Warning::Collapsed)
        } else if pairs.active == Some(0.0) {
            Some(Warning::NothingActive)
        } else {
            None
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Warning::Collapsed => {
                "the embedding has collapsed: all images lie on one point and nothing sets them \
                 apart again; use --batch-norm, lower --lr, with triplets use --mining all, or \
                 start from a trained model with --init"
            }
            Warning::NothingActive => {
                "no triplet is active, so nothing is learned any more; raise --margin, use \
                 --mining hard, or stop here"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Triplet;
    use crate::train::PairLoss;

    fn stats(active: f64, negative: f64) -> EpochStats {
        let pairs = Some(PairMeans { active: Some(active), positive: 0.0, negative });
        EpochStats { loss: 0.5, accuracy: None, pairs }
    }

    #[test]
    fn warnings() {
        let triplet = Objective::pairs(PairLoss::Triplet(Triplet::default()));
        assert_eq!(stats(1.0, 1e-5).warning(&triplet), Some(Warning::Collapsed));
        assert_eq!(stats(0.0, 1.9).warning(&triplet), Some(Warning::NothingActive));
        assert_eq!(stats(0.01, 1.9).warning(&triplet), None);
        assert_eq!(stats(0.0, 0.0).warning(&Objective::CROSS_ENTROPY), None);
    }
}
