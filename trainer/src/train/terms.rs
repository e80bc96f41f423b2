//! The objective of one batch, from features to the gradient of the features.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, ArrayViewMut2, s};

use super::objective::{Classifier, Head, PairLoss, PairTerm, Similarity};
use super::teachers::Teachers;
use super::{Objective, Settings, StepStats};
use crate::loss::{CosineBuffers, CosineSoftmax, Pairs, cross_entropy, taught_similarity};
use crate::nn::{
    Parameters, State, linear_backward, linear_forward, normalize_backward, normalize_forward,
    predicted,
};

/// What the images of a batch are labelled.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    /// A class for each image.
    pub labels: &'a [u16],
    /// With mixup, the class of the image that was mixed in, and its share.
    pub mixed: Option<(&'a [u16], f32)>,
}

/// What the objective works on, reused from step to step. Rows are images.
pub(super) struct Terms {
    objective: Objective,
    embeddings: Array2<f32>,
    /// Gradient of the embeddings, then what it is of the features.
    dembeddings: Array2<f32>,
    logits: Array2<f32>,
    dlogits: Array2<f32>,
    /// The gradients from the labels that were mixed in: of the logits, or
    /// with cosines of the embeddings and of the weights.
    dmixed: [Array2<f32>; 2],
    cosine: CosineBuffers,
    pairs: Pairs,
    teachers: Option<Teachers>,
}

impl Terms {
    /// For batches of up to `images` through the training network of `settings`;
    /// `teachers` is what the settings have of them.
    pub fn new(settings: &Settings, images: usize, teachers: Option<Teachers>) -> Terms {
        let (objective, network) = (settings.objective, settings.training_network());
        let (len, classes) = (network.embedding_len(), network.classes());
        let head = objective.classifier.map(|classifier| classifier.head);
        let linear = if head == Some(Head::Linear) { images } else { 0 };
        let cosine = if matches!(head, Some(Head::Cosine(_))) { images } else { 0 };
        let pairs = if objective.is_on_images() { 0 } else { images };
        let on_embeddings = || Array2::zeros((cosine.max(pairs), len));
        Terms {
            objective,
            embeddings: on_embeddings(),
            dembeddings: on_embeddings(),
            logits: Array2::zeros((linear, classes)),
            dlogits: Array2::zeros((linear, classes)),
            dmixed: match head {
                Some(Head::Linear) if settings.mixup => {
                    [Array2::zeros((images, classes)), Array2::zeros((0, 0))]
                }
                Some(Head::Cosine(_)) if settings.mixup => {
                    [Array2::zeros((images, len)), Array2::zeros((classes, len))]
                }
                _ => [Array2::zeros((0, 0)), Array2::zeros((0, 0))],
            },
            cosine: CosineBuffers::new(cosine, classes, len),
            pairs: Pairs::new(pairs),
            teachers,
        }
    }

    /// The objective of the batch that `state` holds, whose features are the
    /// first rows of `features`, one for each label. Overwrites those of
    /// `dfeatures` and, in `gradient`, the classifier's part. `None` when the
    /// batch has no pair to compare.
    pub fn evaluate(
        &mut self,
        parameters: &Parameters,
        (state, features): (&State, &Array2<f32>),
        targets: Targets<'_>,
        dfeatures: &mut Array2<f32>,
        gradient: &mut Parameters,
    ) -> Option<StepStats> {
        let labels = targets.labels;
        let rows = s![..labels.len(), ..];
        let (features, mut dfeatures) = (features.slice(rows), dfeatures.slice_mut(rows));
        let dclassifier = gradient.classifier_mut();
        let mut stats =
            self.on_images(parameters, features, targets, dfeatures.view_mut(), dclassifier);
        if let Some(PairTerm { loss, weight }) = self.objective.pairs {
            let value = self.on_pairs(loss, labels, &mut stats)?;
            stats.loss += f64::from(weight) * value;
            self.add_through_norm(features, dfeatures.view_mut(), weight);
        }
        if let (Some(Similarity { weight, .. }), Some(teachers)) =
            (self.objective.similarity, &mut self.teachers)
        {
            let df = self.dembeddings.slice_mut(rows);
            let f = self.embeddings.slice(rows);
            let teacher = teachers.similarity(labels.len(), |i| state.input(i));
            let value = taught_similarity(f, teacher, df, &mut self.pairs);
            stats.loss += f64::from(weight) * value;
            self.add_through_norm(features, dfeatures, weight);
        }
        Some(stats)
    }

    /// The part of the objective that is a mean of losses of single images: the
    /// classifier's. Overwrites `dfeatures` and `dclassifier`, the gradients of
    /// its weights and bias; leaves the embeddings where a part on pairs looks
    /// for them.
    pub fn on_images(
        &mut self,
        parameters: &Parameters,
        features: ArrayView2<'_, f32>,
        targets: Targets<'_>,
        mut dfeatures: ArrayViewMut2<'_, f32>,
        dclassifier: (ArrayViewMut2<'_, f32>, ArrayViewMut1<'_, f32>),
    ) -> StepStats {
        let images = targets.labels.len();
        let mut stats = StepStats { images, ..StepStats::default() };
        if !self.embeddings.is_empty() {
            normalize_forward(features, self.embeddings.slice_mut(s![..images, ..]));
        }
        dfeatures.fill(0.0);
        let Some(Classifier { head, label_smoothing }) = self.objective.classifier else {
            return stats;
        };
        let targets = (targets, label_smoothing);
        match head {
            Head::Linear => {
                self.linear(parameters, features, targets, dfeatures, dclassifier, &mut stats);
            }
            Head::Cosine(loss) => {
                self.cosine(loss, parameters, targets, dclassifier, &mut stats);
                self.add_through_norm(features, dfeatures, 1.0);
            }
        }
        stats
    }

    /// Adds what the gradient of the embeddings, times `weight`, is of the features.
    fn add_through_norm(
        &mut self,
        features: ArrayView2<'_, f32>,
        mut dfeatures: ArrayViewMut2<'_, f32>,
        weight: f32,
    ) {
        let rows = s![..features.nrows(), ..];
        let mut d = self.dembeddings.slice_mut(rows);
        normalize_backward(features, self.embeddings.slice(rows), d.view_mut());
        dfeatures.scaled_add(weight, &d);
    }

    fn linear(
        &mut self,
        parameters: &Parameters,
        features: ArrayView2<'_, f32>,
        (targets, smoothing): (Targets<'_>, f32),
        dfeatures: ArrayViewMut2<'_, f32>,
        (dweight, dbias): (ArrayViewMut2<'_, f32>, ArrayViewMut1<'_, f32>),
        stats: &mut StepStats,
    ) {
        let Targets { labels, mixed } = targets;
        let rows = s![..labels.len(), ..];
        let (weight, bias) = parameters.classifier();
        linear_forward(features, weight, bias, self.logits.slice_mut(rows));
        let logits = self.logits.slice(rows);
        stats.loss = cross_entropy(logits, labels, smoothing, self.dlogits.slice_mut(rows));
        if let Some((labels, share)) = mixed {
            let mut dmixed = self.dmixed[0].slice_mut(rows);
            let loss = cross_entropy(logits, labels, smoothing, dmixed.view_mut());
            stats.loss += f64::from(share) * (loss - stats.loss);
            mix(self.dlogits.slice_mut(rows), dmixed.view(), share);
        }
        stats.correct = Some(predicted(logits, labels).filter(|&right| right).count());
        let dlogits = self.dlogits.slice(rows);
        linear_backward(features, weight, dlogits, dweight, dbias, dfeatures);
    }

    /// Leaves the gradient in `dembeddings`.
    fn cosine(
        &mut self,
        loss: CosineSoftmax,
        parameters: &Parameters,
        (targets, smoothing): (Targets<'_>, f32),
        (mut dw, mut dbias): (ArrayViewMut2<'_, f32>, ArrayViewMut1<'_, f32>),
        stats: &mut StepStats,
    ) {
        let Targets { labels, mixed } = targets;
        let rows = s![..labels.len(), ..];
        let f = self.embeddings.slice(rows);
        let w = parameters.classifier().0;
        dbias.fill(0.0);
        let buffers = &mut self.cosine;
        let mut df = self.dembeddings.slice_mut(rows);
        let to = (df.view_mut(), dw.view_mut());
        let own = loss.evaluate(f, w, labels, smoothing, to, buffers);
        (stats.loss, stats.correct) = (own.loss, Some(own.correct));
        if let Some((labels, share)) = mixed {
            let [df_mixed, dw_mixed] = &mut self.dmixed;
            let mut df_mixed = df_mixed.slice_mut(rows);
            let to = (df_mixed.view_mut(), dw_mixed.view_mut());
            let other = loss.evaluate(f, w, labels, smoothing, to, buffers);
            stats.loss += f64::from(share) * (other.loss - own.loss);
            mix(df, df_mixed.view(), share);
            mix(dw, dw_mixed.view(), share);
        }
    }

    /// The loss, and its gradient in `dembeddings`; `None` when no pair has a part.
    fn on_pairs(&mut self, loss: PairLoss, labels: &[u16], stats: &mut StepStats) -> Option<f64> {
        let rows = s![..labels.len(), ..];
        let f = self.embeddings.slice(rows);
        let df = self.dembeddings.slice_mut(rows);
        let pairs = &mut self.pairs;
        let value = match loss {
            PairLoss::Triplet(loss) => {
                let triplets = loss.evaluate(f, labels, df, pairs);
                stats.triplets = Some(triplets);
                (triplets.triplets > 0).then_some(triplets.loss)
            }
            PairLoss::SmoothAp(loss) => loss.evaluate(f, labels, df, pairs),
            PairLoss::SupervisedContrastive(loss) => loss.evaluate(f, labels, df, pairs),
        };
        stats.distances = pairs.mean_distances(labels);
        value
    }
}

/// `d = (1 - share) d + share mixed`.
fn mix(mut d: ArrayViewMut2<'_, f32>, mixed: ArrayView2<'_, f32>, share: f32) {
    d.zip_mut_with(&mixed, |d, &mixed| *d += share * (mixed - *d));
}
