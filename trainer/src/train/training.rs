//! One run: epochs of batches, each forward, loss, backward, step.

use ndarray::{Array2, ArrayViewMut2, s};

use super::diagnostics::EpochSums;
use super::{Checkpoint, EpochStats, Objective, Settings, TrainError};
use crate::data::{Batches, Dataset};
use crate::loss::{Pairs, TripletStats, cross_entropy};
use crate::nn::{
    ConvNet, Packed, Parameters, State, fill_input, linear_backward, linear_forward,
    normalize_backward, normalize_forward, predicted,
};
use crate::optim::{Average, Optimizer};
use crate::rng::{Purpose, stream};

/// A run in progress. Works on rayon's current pool.
pub struct Training<'d> {
    settings: Settings,
    data: &'d Dataset,
    data_crc: u32,
    batches: Batches,
    net: ConvNet,
    parameters: Parameters,
    optimizer: Optimizer,
    average: Option<Average>,
    history: Vec<EpochStats>,
    buffers: Buffers,
}

/// What a step works on, reused from step to step.
struct Buffers {
    packed: Packed,
    state: State,
    gradient: Parameters,
    features: Array2<f32>,
    embeddings: Array2<f32>,
    dfeatures: Array2<f32>,
    logits: Array2<f32>,
    dlogits: Array2<f32>,
    pairs: Pairs,
    indices: Vec<u32>,
    labels: Vec<u16>,
}

/// What a step saw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepStats {
    /// Images of the batch.
    pub images: usize,
    /// The loss.
    pub loss: f64,
    /// Images that the classifier got right, with cross-entropy.
    pub correct: Option<usize>,
    /// Figures of a triplet loss.
    pub triplets: Option<TripletStats>,
}

impl<'d> Training<'d> {
    /// A run from the start.
    ///
    /// # Errors
    /// When a setting is out of range or the data does not fit the settings.
    pub fn new(settings: Settings, data: &'d Dataset) -> Result<Training<'d>, TrainError> {
        settings.check()?;
        check_data(&settings, data)?;
        let network = &settings.network;
        let parameters =
            Parameters::random(network, &mut stream(settings.seed, Purpose::Initialisation, 0));
        Ok(Training {
            data,
            data_crc: fingerprint(data),
            batches: settings.sampler.batches(&data.labels, settings.seed)?,
            net: ConvNet::new(network),
            optimizer: Optimizer::new(settings.optimizer, network.parameters()),
            average: settings.ema.map(|decay| Average::new(decay, &parameters.values)),
            parameters,
            history: Vec::new(),
            buffers: Buffers::new(&settings, settings.sampler.batch_size()?.min(data.len())),
            settings,
        })
    }

    /// The run that `checkpoint` is of, to go on with; `None` when its settings
    /// or data are not these.
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn resume(
        settings: Settings,
        data: &'d Dataset,
        checkpoint: Checkpoint,
    ) -> Result<Option<Training<'d>>, TrainError> {
        let mut training = Training::new(settings, data)?;
        if checkpoint.settings != settings || checkpoint.data != training.data_crc {
            return Ok(None);
        }
        training.parameters.values = checkpoint.parameters;
        training.optimizer = checkpoint.optimizer;
        training.average = checkpoint.average;
        training.history = checkpoint.history;
        Ok(Some(training))
    }

    /// The state to go on from.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(
            self.settings,
            self.data_crc,
            (&self.parameters.values, &self.optimizer, self.average.as_ref()),
            &self.history,
        )
    }

    /// Epochs done.
    pub fn epochs_done(&self) -> u32 {
        self.history.len() as u32
    }

    /// A row for each epoch done.
    pub fn history(&self) -> &[EpochStats] {
        &self.history
    }

    /// Whether all epochs are done.
    pub fn is_done(&self) -> bool {
        self.epochs_done() >= self.settings.epochs
    }

    /// Batches of an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.batches.per_epoch()
    }

    /// The parameters that the model is made of: the average, if one is kept.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = self.parameters.clone();
        if let Some(average) = &self.average {
            parameters.values.copy_from_slice(average.values());
        }
        parameters
    }

    /// One pass over the data; `after_step` sees each batch.
    ///
    /// # Errors
    /// When a full batch has no triplet, or the loss or the gradient is not a
    /// finite number.
    pub fn epoch(
        &mut self,
        mut after_step: impl FnMut(&StepStats),
    ) -> Result<EpochStats, TrainError> {
        let epoch = self.epochs_done();
        let per_epoch = self.batches_per_epoch() as u64;
        let steps = per_epoch * u64::from(self.settings.epochs);
        let mut sums = EpochSums::default();
        self.batches.start_epoch(u64::from(epoch));
        let mut batch = 0;
        while self.next_batch() {
            let step = per_epoch * u64::from(epoch) + batch as u64;
            let factor = self.settings.schedule.factor(step, steps);
            let lr = (f64::from(self.settings.lr) * factor) as f32;
            batch += 1;
            let stats = self.step(lr, (epoch + 1, batch))?;
            sums.add(&stats);
            after_step(&stats);
        }
        let stats = sums.means();
        self.history.push(stats);
        Ok(stats)
    }

    /// Draws a batch; false at the epoch's end.
    fn next_batch(&mut self) -> bool {
        let Some(indices) = self.batches.next_batch() else { return false };
        let Buffers { indices: batch, labels, .. } = &mut self.buffers;
        batch.clear();
        batch.extend_from_slice(indices);
        labels.clear();
        labels.extend(indices.iter().map(|&i| self.data.labels[i as usize]));
        true
    }

    /// One batch: forward, loss, backward, optimiser.
    fn step(&mut self, lr: f32, (epoch, batch): (u32, usize)) -> Result<StepStats, TrainError> {
        let data = self.data;
        let b = &mut self.buffers;
        b.packed.pack(&self.parameters.values);
        let rows = s![..b.labels.len(), ..];
        let indices = &b.indices;
        self.net.forward(&b.packed, &mut b.state, b.features.slice_mut(rows), |i, input| {
            fill_input(data.image(indices[i] as usize), input);
        });

        let stats = match self.settings.objective {
            Objective::CrossEntropy => Some(b.cross_entropy(&self.parameters)),
            Objective::Triplet(loss) => b.on_embeddings(|f, labels, df, pairs| {
                let triplets = loss.evaluate(f, labels, df, pairs);
                (triplets.triplets > 0).then_some((triplets.loss, Some(triplets)))
            }),
            Objective::SmoothAp(loss) => b.on_embeddings(|f, labels, df, pairs| {
                loss.evaluate(f, labels, df, pairs).map(|loss| (loss, None))
            }),
        };
        let Some(stats) = stats else {
            // The rest of the data may be too little for a triplet; a full
            // batch never should be.
            return if b.labels.len() < b.features.nrows() {
                Ok(StepStats::default())
            } else {
                Err(TrainError::NoTriplet { epoch, batch })
            };
        };
        let not_finite = |what, value| TrainError::NotFinite { what, value, epoch, batch, lr };
        if !stats.loss.is_finite() {
            return Err(not_finite("loss", stats.loss));
        }

        let dfeatures = b.dfeatures.slice(rows);
        self.net.backward(&b.packed, &mut b.state, dfeatures, &mut b.gradient.values);
        if let Some(&g) = b.gradient.values.iter().find(|g| !g.is_finite()) {
            return Err(not_finite("gradient", f64::from(g)));
        }
        self.optimizer.step(&mut self.parameters.values, &b.gradient.values, lr);
        if let Some(average) = &mut self.average {
            average.update(&self.parameters.values);
        }
        Ok(stats)
    }
}

impl Buffers {
    fn new(settings: &Settings, images: usize) -> Buffers {
        let network = &settings.network;
        let features = Array2::zeros((images, network.embedding_len()));
        let logits = Array2::zeros((images, network.classes()));
        let pairwise = if settings.objective == Objective::CrossEntropy { 0 } else { images };
        Buffers {
            packed: Packed::new(network),
            state: ConvNet::new(network).state(images, true),
            gradient: Parameters::zeros(network),
            embeddings: features.clone(),
            dfeatures: features.clone(),
            features,
            dlogits: logits.clone(),
            logits,
            pairs: Pairs::new(pairwise),
            indices: Vec::with_capacity(images),
            labels: Vec::with_capacity(images),
        }
    }

    /// Cross-entropy of the batch; leaves the gradients of the features and of
    /// the classifier.
    fn cross_entropy(&mut self, parameters: &Parameters) -> StepStats {
        let rows = s![..self.labels.len(), ..];
        let (weight, bias) = parameters.classifier();
        let features = self.features.slice(rows);
        linear_forward(features, weight, bias, self.logits.slice_mut(rows));
        let logits = self.logits.slice(rows);
        let loss = cross_entropy(logits, &self.labels, 0.0, self.dlogits.slice_mut(rows));
        let (dweight, dbias) = self.gradient.classifier_mut();
        let dlogits = self.dlogits.slice(rows);
        let dfeatures = self.dfeatures.slice_mut(rows);
        linear_backward(features, weight, dlogits, dweight, dbias, dfeatures);
        let correct = predicted(logits, &self.labels).filter(|&right| right).count();
        StepStats { images: self.labels.len(), loss, correct: Some(correct), triplets: None }
    }

    /// A loss on the embeddings; leaves the gradient of the features. `None`
    /// when the batch has no term.
    fn on_embeddings(
        &mut self,
        loss: impl FnOnce(
            ndarray::ArrayView2<'_, f32>,
            &[u16],
            ArrayViewMut2<'_, f32>,
            &mut Pairs,
        ) -> Option<(f64, Option<TripletStats>)>,
    ) -> Option<StepStats> {
        let rows = s![..self.labels.len(), ..];
        let features = self.features.slice(rows);
        normalize_forward(features, self.embeddings.slice_mut(rows));
        let embeddings = self.embeddings.slice(rows);
        let mut d = self.dfeatures.slice_mut(rows);
        let (loss, triplets) = loss(embeddings, &self.labels, d.view_mut(), &mut self.pairs)?;
        normalize_backward(features, embeddings, d);
        Some(StepStats { images: self.labels.len(), loss, correct: None, triplets })
    }
}

fn check_data(settings: &Settings, data: &Dataset) -> Result<(), TrainError> {
    let expected = settings.network.input();
    if data.shape != expected {
        let text = |s: lookalike::Shape| format!("{}x{}x{}", s.height, s.width, s.channels);
        return Err(TrainError::Shape { found: text(data.shape), expected: text(expected) });
    }
    match settings.objective {
        Objective::CrossEntropy => {
            let classes = settings.network.classes();
            match data.labels.iter().max() {
                Some(&label) if usize::from(label) >= classes => {
                    Err(TrainError::Classes { label, classes })
                }
                _ => Ok(()),
            }
        }
        Objective::Triplet(_) | Objective::SmoothAp(_) => {
            let mut counts = std::collections::BTreeMap::new();
            for label in &data.labels {
                *counts.entry(label).or_insert(0) += 1;
            }
            let has_triplet = counts.len() > 1 && counts.values().any(|&count| count > 1);
            if has_triplet { Ok(()) } else { Err(TrainError::NoTripletInData) }
        }
    }
}

/// CRC-32 of the images and their labels.
fn fingerprint(data: &Dataset) -> u32 {
    let mut digest = super::checkpoint::CRC.digest();
    digest.update(&data.pixels);
    digest.update(bytemuck::cast_slice(&data.labels));
    digest.finalize()
}
