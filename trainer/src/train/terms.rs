//! The objective of one batch, from features to the gradient of the features.

use ndarray::{Array2, s};

use super::objective::{Head, PairLoss, PairTerm};
use super::{Objective, StepStats};
use crate::loss::{Pairs, cross_entropy};
use crate::nn::{
    Parameters, linear_backward, linear_forward, normalize_backward, normalize_forward, predicted,
};

/// What the objective works on, reused from step to step. Rows are images.
pub(super) struct Terms {
    objective: Objective,
    embeddings: Array2<f32>,
    /// Gradient of the embeddings, then what it is of the features.
    dembeddings: Array2<f32>,
    logits: Array2<f32>,
    dlogits: Array2<f32>,
    pairs: Pairs,
}

impl Terms {
    /// For batches of up to `images` and features of length `len`.
    pub fn new(objective: Objective, images: usize, len: usize, classes: usize) -> Terms {
        let has_pairs = objective.pairs.is_some();
        let of_pairs = || Array2::zeros((if has_pairs { images } else { 0 }, len));
        let of_classes = || Array2::zeros((images, classes));
        Terms {
            objective,
            embeddings: of_pairs(),
            dembeddings: of_pairs(),
            logits: of_classes(),
            dlogits: of_classes(),
            pairs: Pairs::new(if has_pairs { images } else { 0 }),
        }
    }

    /// The objective of the first rows of `features`, one for each label.
    /// Overwrites those of `dfeatures` and, in `gradient`, the classifier's
    /// part. `None` when the batch has no pair to compare.
    pub fn evaluate(
        &mut self,
        parameters: &Parameters,
        features: &Array2<f32>,
        labels: &[u16],
        dfeatures: &mut Array2<f32>,
        gradient: &mut Parameters,
    ) -> Option<StepStats> {
        let mut stats = StepStats { images: labels.len(), ..StepStats::default() };
        match self.objective.classifier {
            Some(classifier) => {
                let Head::Linear = classifier.head;
                self.linear(parameters, features, labels, dfeatures, gradient, &mut stats);
            }
            None => dfeatures.fill(0.0),
        }
        if let Some(term) = self.objective.pairs {
            self.on_pairs(term, features, labels, dfeatures, &mut stats)?;
        }
        Some(stats)
    }

    fn linear(
        &mut self,
        parameters: &Parameters,
        features: &Array2<f32>,
        labels: &[u16],
        dfeatures: &mut Array2<f32>,
        gradient: &mut Parameters,
        stats: &mut StepStats,
    ) {
        let rows = s![..labels.len(), ..];
        let (weight, bias) = parameters.classifier();
        let features = features.slice(rows);
        linear_forward(features, weight, bias, self.logits.slice_mut(rows));
        let logits = self.logits.slice(rows);
        stats.loss = cross_entropy(logits, labels, self.dlogits.slice_mut(rows));
        stats.correct = Some(predicted(logits, labels).filter(|&right| right).count());
        let (dweight, dbias) = gradient.classifier_mut();
        let dlogits = self.dlogits.slice(rows);
        linear_backward(features, weight, dlogits, dweight, dbias, dfeatures.slice_mut(rows));
    }

    fn on_pairs(
        &mut self,
        PairTerm { loss, weight }: PairTerm,
        features: &Array2<f32>,
        labels: &[u16],
        dfeatures: &mut Array2<f32>,
        stats: &mut StepStats,
    ) -> Option<()> {
        let rows = s![..labels.len(), ..];
        let features = features.slice(rows);
        normalize_forward(features, self.embeddings.slice_mut(rows));
        let embeddings = self.embeddings.slice(rows);
        let mut d = self.dembeddings.slice_mut(rows);
        let value = match loss {
            PairLoss::Triplet(loss) => {
                let triplets = loss.evaluate(embeddings, labels, d.view_mut(), &mut self.pairs);
                stats.triplets = Some(triplets);
                (triplets.triplets > 0).then_some(triplets.loss)
            }
            PairLoss::SmoothAp(loss) => {
                loss.evaluate(embeddings, labels, d.view_mut(), &mut self.pairs)
            }
        }?;
        stats.loss += f64::from(weight) * value;
        normalize_backward(features, embeddings, d.view_mut());
        dfeatures.slice_mut(rows).scaled_add(weight, &d);
        Some(())
    }
}
