//! What is minimised: a classifier's loss, a loss on pairs, or their sum.

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::settings::require;
use crate::loss::{CosineSoftmax, Margin, SmoothAp, SupervisedContrastive, Triplet};

/// What is minimised: the sum of its parts, of which there is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// A classifier that is trained along.
    pub classifier: Option<Classifier>,
    /// A loss on the embeddings of a batch.
    pub pairs: Option<PairTerm>,
    /// Teachers that say which images are alike.
    pub similarity: Option<Similarity>,
}

/// A classifier and its loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classifier {
    /// How logits are made.
    pub head: Head,
    /// Share of a label that is spread over all classes, 0 to 1 (Szegedy et
    /// al., CVPR 2016, section 7).
    pub label_smoothing: f32,
}

/// How a classifier makes logits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Head {
    /// Linear in the features.
    Linear,
    /// Cosines of the embedding to a direction for each class.
    Cosine(CosineSoftmax),
}

/// A loss on pairs as a part of the objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairTerm {
    /// The loss.
    pub loss: PairLoss,
    /// What it is multiplied by.
    pub weight: f32,
}

/// Teachers that say which images are alike:
/// [`taught_similarity`](crate::loss::taught_similarity) as a part of the objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// What the loss is multiplied by.
    pub weight: f32,
    /// Whether histograms of gradients are a teacher.
    pub hog: bool,
    /// CRC-32 of the parameters of the models that are, which
    /// [`Training::taught`](super::Training::taught) is given.
    pub models: Option<u32>,
}

/// A loss on the embeddings of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum PairLoss {
    /// A triplet loss.
    Triplet(Triplet),
    /// Smooth-AP.
    SmoothAp(SmoothAp),
    /// The supervised contrastive loss.
    SupervisedContrastive(SupervisedContrastive),
}

impl Objective {
    /// Cross-entropy of a linear classifier on the features.
    pub const CROSS_ENTROPY: Objective = Objective {
        classifier: Some(Classifier { head: Head::Linear, label_smoothing: 0.0 }),
        pairs: None,
        similarity: None,
    };

    /// A loss on pairs alone.
    pub const fn pairs(loss: PairLoss) -> Objective {
        let pairs = Some(PairTerm { loss, weight: 1.0 });
        Objective { classifier: None, pairs, similarity: None }
    }

    /// Whether it is a mean of losses of single images.
    pub(super) fn is_on_images(&self) -> bool {
        self.pairs.is_none() && self.similarity.is_none()
    }

    pub(super) fn check(&self) -> Result<(), TrainError> {
        let positive = |x: f32| x.is_finite() && x > 0.0;
        require(self.classifier.is_some() || self.pairs.is_some(), "there must be a loss", "none")?;
        if let Some(Classifier { head, label_smoothing }) = self.classifier {
            let rule = "the label smoothing must be in 0 to 1, below 1";
            require((0.0..1.0).contains(&label_smoothing), rule, label_smoothing)?;
            if let Head::Cosine(CosineSoftmax { scale, margin }) = head {
                require(positive(scale), "the scale of cosines must be above 0", scale)?;
                let rule = "the margin of cosines must be in 0 to 1";
                require((0.0..=1.0).contains(&margin), rule, margin)?;
            }
        }
        if let Some(Similarity { weight, .. }) = self.similarity {
            require(positive(weight), "the weight of teachers must be above 0", weight)?;
        }
        let Some(PairTerm { loss, weight }) = self.pairs else { return Ok(()) };
        require(positive(weight), "the weight of the loss on pairs must be above 0", weight)?;
        match loss {
            PairLoss::Triplet(Triplet { margin, anchors, .. }) => {
                let rule = "the margin must be a number, 0 or above";
                if let Margin::Hinge(margin) = margin {
                    require(margin.is_finite() && margin >= 0.0, rule, margin)?;
                }
                require(anchors != Some(0), "there must be at least 1 anchor", 0)?;
            }
            PairLoss::SmoothAp(SmoothAp { temperature })
            | PairLoss::SupervisedContrastive(SupervisedContrastive { temperature }) => {
                require(positive(temperature), "the temperature must be above 0", temperature)?;
            }
        }
        Ok(())
    }
}
