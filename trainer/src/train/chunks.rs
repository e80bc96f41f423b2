//! The objective chunk by chunk, where it is a mean of losses of single images:
//! then a chunk need not wait for the others between its forward and its
//! backward pass.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2};

use super::teachers::Teachers;
use super::terms::{Targets, Terms};
use super::{Settings, StepStats};
use crate::nn::{ConvNet, Parameters};

/// The objective, over a whole batch or chunk by chunk.
pub(super) enum Loss {
    /// Where an image's part depends on the others.
    Batch(Box<Terms>),
    /// Where it does not.
    Chunks(Vec<ChunkTerms>),
}

impl Loss {
    /// For batches of up to `full` images.
    pub fn new(
        settings: &Settings,
        net: &ConvNet,
        full: usize,
        teachers: Option<Teachers>,
    ) -> Loss {
        if !settings.objective.is_on_images() {
            return Loss::Batch(Box::new(Terms::new(settings, full, teachers)));
        }
        let images = net.chunk_images();
        let chunk = |_| ChunkTerms::new(settings, images);
        Loss::Chunks((0..full.div_ceil(images)).map(chunk).collect())
    }
}

/// The objective of the images of one chunk.
pub(super) struct ChunkTerms {
    terms: Terms,
    dweight: Array2<f32>,
    dbias: Array1<f32>,
    stats: StepStats,
}

impl ChunkTerms {
    /// For chunks of up to `images`.
    pub fn new(settings: &Settings, images: usize) -> ChunkTerms {
        let network = settings.training_network();
        ChunkTerms {
            terms: Terms::new(settings, images, None),
            dweight: Array2::zeros((network.classes(), network.embedding_len())),
            dbias: Array1::zeros(network.classes()),
            stats: StepStats::default(),
        }
    }

    /// The part of a batch's objective that the images from `first` on have,
    /// whose features are all rows of `features`; `targets` are the batch's.
    /// Overwrites `dfeatures`.
    pub fn evaluate(
        &mut self,
        parameters: &Parameters,
        targets: Targets<'_>,
        first: usize,
        features: ArrayView2<'_, f32>,
        mut dfeatures: ArrayViewMut2<'_, f32>,
    ) {
        let rows = first..first + features.nrows();
        let share = features.nrows() as f32 / targets.labels.len() as f32;
        let targets = Targets {
            labels: &targets.labels[rows.clone()],
            mixed: targets.mixed.map(|(labels, share)| (&labels[rows], share)),
        };
        let dclassifier = (self.dweight.view_mut(), self.dbias.view_mut());
        self.stats =
            self.terms.on_images(parameters, features, targets, dfeatures.view_mut(), dclassifier);
        self.stats.loss *= f64::from(share);
        dfeatures *= share;
        self.dweight *= share;
        self.dbias *= share;
    }
}

/// What a batch saw whose chunks are `chunks`; the gradient of the classifier
/// goes to its part of `gradient`, added in the order of the chunks.
pub(super) fn sum(chunks: &[ChunkTerms], gradient: &mut Parameters) -> StepStats {
    let (mut dweight, mut dbias) = gradient.classifier_mut();
    dweight.fill(0.0);
    dbias.fill(0.0);
    let mut sum = StepStats { correct: Some(0), ..StepStats::default() };
    for ChunkTerms { dweight: dw, dbias: db, stats, .. } in chunks {
        dweight += dw;
        dbias += db;
        sum.images += stats.images;
        sum.loss += stats.loss;
        sum.correct = sum.correct.zip(stats.correct).map(|(sum, correct)| sum + correct);
    }
    sum
}
