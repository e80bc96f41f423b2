//! One run: epochs of batches, each forward, loss, backward, step.

use std::ops::ControlFlow;

use lookalike::Network;
use ndarray::{Array2, s};
use rand::seq::SliceRandom;

use super::awake::with_threads_awake;
use super::batch::Batch;
use super::checkpoint::{Begun, CRC};
use super::chunks::{self, ChunkTerms, Loss};
use super::settings::require;
use super::teachers::Teachers;
use super::{Checkpoint, Classifier, EpochStats, Head, Settings, Similarity, TrainError};
use crate::data::{Batches, Dataset, Sampler};
use crate::loss::TripletStats;
use crate::nn::{ConvNet, Packed, Parameters, Population, State, fill_input, normalize_forward};
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
    /// Of an epoch that was stopped, what is done.
    begun: Option<Begun>,
    loss: Loss,
    batch: Batch,
    buffers: Buffers,
}

/// What a step works on, reused from step to step.
#[derive(Clone)]
struct Buffers {
    packed: Packed,
    state: State,
    gradient: Parameters,
    features: Array2<f32>,
    dfeatures: Array2<f32>,
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
    /// Mean squared distances between embeddings of one class and of
    /// different ones, with a loss on pairs and where there are such.
    pub distances: Option<[f64; 2]>,
    /// Figures of a triplet loss.
    pub triplets: Option<TripletStats>,
}

impl<'d> Training<'d> {
    /// A run from the start.
    ///
    /// # Errors
    /// When a setting is out of range, the data does not fit the settings or
    /// these want models as teachers.
    pub fn new(settings: Settings, data: &'d Dataset) -> Result<Training<'d>, TrainError> {
        Training::taught(settings, data, &[])
    }

    /// A run from the start that learns from the models `teachers` as well.
    ///
    /// # Errors
    /// As [`Training::new`]; also when the settings have no similarity to
    /// learn, or a teacher takes other images.
    pub fn taught(
        mut settings: Settings,
        data: &'d Dataset,
        teachers: &[Parameters],
    ) -> Result<Training<'d>, TrainError> {
        check_teachers(&mut settings, teachers)?;
        settings.check()?;
        check_data(&settings, data)?;
        let network = settings.training_network();
        let full = settings.sampler.batch_size()?.min(data.len());
        let net = match settings.batch_norm {
            true => ConvNet::normalized(&network, full),
            false => ConvNet::new(&network),
        };
        let similarity = settings.objective.similarity;
        let taught = |s: Similarity| Teachers::new(s.hog, teachers, full, data);
        let mut training = Training {
            data,
            data_crc: fingerprint(data),
            batches: settings.sampler.batches(&data.labels, settings.seed)?,
            optimizer: Optimizer::new(settings.optimizer, network.parameters()),
            average: None,
            parameters: Parameters::random(
                &network,
                &mut stream(settings.seed, Purpose::Initialisation, 0),
            ),
            history: Vec::new(),
            begun: None,
            loss: Loss::new(&settings, &net, full, similarity.map(taught)),
            batch: Batch::new(full),
            buffers: Buffers::new(&net, full),
            net,
            settings,
        };
        training.average_from_here();
        Ok(training)
    }

    fn average_from_here(&mut self) {
        self.average = self.settings.ema.map(|decay| Average::new(decay, &self.parameters.values));
    }

    /// This run, which has not begun, from the parameters `from`: a warm start.
    /// The trunk is taken over, and the classifier where it has the same classes.
    ///
    /// # Errors
    /// When `from` is of a network with another trunk, or when activations are
    /// to be normalised: in a model file the normalisation is folded into the
    /// weights.
    pub fn warm(mut self, from: &Parameters) -> Result<Training<'d>, TrainError> {
        if self.settings.batch_norm {
            let rule = "a warm start goes on without batch normalisation";
            return Err(TrainError::Setting { rule, found: "with it".into() });
        }
        self.settings.init = Some(CRC.checksum(bytemuck::cast_slice(&from.values)));
        let to = &mut self.parameters;
        if from.network.without_classifier() != to.network.without_classifier() {
            return Err(TrainError::WarmStart);
        }
        let trunk = to.network.tensors()[..6].iter().map(|tensor| tensor.len()).sum::<usize>();
        let taken = match from.network == to.network {
            true => to.values.len(),
            false => trunk,
        };
        to.values[..taken].copy_from_slice(&from.values[..taken]);
        self.average_from_here();
        Ok(self)
    }

    /// This run, which has not begun, at the state of `checkpoint`; `None`
    /// when that is of other settings, data or parameters to start from.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Option<Training<'d>> {
        if checkpoint.settings != self.settings || checkpoint.data != self.data_crc {
            return None;
        }
        self.parameters.values = checkpoint.parameters;
        self.optimizer = checkpoint.optimizer;
        self.average = checkpoint.average;
        self.history = checkpoint.history;
        self.begun = checkpoint.begun;
        Some(self)
    }

    /// What the run is determined by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state to go on from.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(
            self.settings,
            self.data_crc,
            (&self.parameters.values, &self.optimizer, self.average.as_ref()),
            (&self.history, self.begun),
        )
    }

    /// Epochs done.
    pub fn epochs_done(&self) -> u32 {
        self.history.len() as u32
    }

    /// Batches done of the epoch after those, if it was stopped.
    pub fn batches_done(&self) -> usize {
        self.begun.map_or(0, |begun| begun.batches as usize)
    }

    /// A row for each epoch done.
    pub fn history(&self) -> &[EpochStats] {
        &self.history
    }

    /// Whether all epochs are done.
    pub fn is_done(&self) -> bool {
        self.epochs_done() >= self.settings.epochs
    }

    /// Batches of an epoch. With batch normalisation a rest that fills no batch
    /// is left out of an epoch: statistics of few images are poor ones.
    pub fn batches_per_epoch(&self) -> usize {
        let all = self.batches.per_epoch();
        let has_rest = all * self.batch.full() > self.data.len();
        all - usize::from(self.settings.batch_norm && has_rest && all > 1 && self.is_shuffled())
    }

    fn is_shuffled(&self) -> bool {
        matches!(self.settings.sampler, Sampler::Shuffled { .. })
    }

    /// The parameters that the model is made of: the average, if one is kept,
    /// with batch normalisation folded in and without the classes of other
    /// views. Takes the data through the network where statistics are needed.
    pub fn model_parameters(&self) -> Parameters {
        let mut parameters = self.parameters.clone();
        if let Some(average) = &self.average {
            parameters.values.copy_from_slice(average.values());
        }
        if self.settings.batch_norm {
            parameters = self.population(&parameters).fold(&parameters);
        }
        let mut parameters = without_views(&parameters, self.settings.network);
        if let Some(Classifier { head: Head::Cosine(_), .. }) = self.settings.objective.classifier {
            let (mut weight, mut bias) = parameters.classifier_mut();
            let raw = weight.to_owned();
            normalize_forward(raw.view(), weight.view_mut());
            bias.fill(0.0);
        }
        parameters
    }

    /// Statistics of all activations over the training images as they are, in
    /// batches like those of training: the images in an order drawn once.
    fn population(&self, parameters: &Parameters) -> Population {
        let Buffers { mut packed, mut state, mut features, .. } = self.buffers.clone();
        packed.pack(&parameters.values);
        let mut population = Population::new(&self.net);
        let full = self.batch.full();
        let mut order: Vec<u32> = (0..self.data.len() as u32).collect();
        order.shuffle(&mut stream(self.settings.seed, Purpose::Selection, 0));
        for batch in order.chunks_exact(full) {
            self.net.forward(&packed, &mut state, features.view_mut(), |i, input| {
                fill_input(self.data.image(batch[i] as usize), input);
            });
            population.add(&state, full);
        }
        population
    }

    /// One pass over the data, or the rest of one; `after_step` sees each batch.
    ///
    /// # Errors
    /// When a full batch has no triplet, or the loss or the gradient is not a
    /// finite number.
    pub fn epoch(
        &mut self,
        mut after_step: impl FnMut(&StepStats),
    ) -> Result<EpochStats, TrainError> {
        loop {
            let ended = self.epoch_until(|step| {
                after_step(step);
                ControlFlow::Continue(())
            })?;
            if let Some(stats) = ended {
                return Ok(stats);
            }
        }
    }

    /// [`Training::epoch`], which `after_step` can stop: `None` is then given,
    /// [`Training::checkpoint`] holds the epoch as far as it has come, and the
    /// next call goes on with it. After its last batch an epoch has ended.
    ///
    /// # Errors
    /// As [`Training::epoch`].
    pub fn epoch_until(
        &mut self,
        mut after_step: impl FnMut(&StepStats) -> ControlFlow<()>,
    ) -> Result<Option<EpochStats>, TrainError> {
        let epoch = self.epochs_done();
        let per_epoch = self.batches_per_epoch() as u64;
        let steps = per_epoch * u64::from(self.settings.epochs);
        let Begun { batches: done, mut sums } = self.begun.take().unwrap_or_default();
        self.batches.start_epoch(u64::from(epoch));
        self.batch.start_epoch();
        let mut rng = stream(self.settings.seed, Purpose::Views, u64::from(epoch));
        let stopped = with_threads_awake(|| {
            for batch in 0..per_epoch {
                let drawn = self.batches.next_batch().unwrap_or_default();
                self.batch.draw(drawn, &self.settings, self.data, &mut rng);
                // What is done is drawn again, so that the rest is what it would have been.
                if batch >= u64::from(done) {
                    let step = per_epoch * u64::from(epoch) + batch;
                    let factor = self.settings.schedule.factor(step, steps);
                    let lr = (f64::from(self.settings.lr) * factor) as f32;
                    let stats = self.step(lr, (epoch + 1, batch as usize + 1))?;
                    sums.add(&stats);
                    if after_step(&stats).is_break() && batch + 1 < per_epoch {
                        return Ok(Some(batch as u32 + 1));
                    }
                }
            }
            Ok::<_, TrainError>(None)
        })?;
        if let Some(batches) = stopped {
            self.begun = Some(Begun { batches, sums });
            return Ok(None);
        }
        let stats = sums.means();
        self.history.push(stats);
        Ok(Some(stats))
    }

    /// One batch: forward, loss, backward, optimiser.
    fn step(&mut self, lr: f32, (epoch, batch): (u32, usize)) -> Result<StepStats, TrainError> {
        let (data, drawn, settings) = (self.data, &self.batch, &self.settings);
        let b = &mut self.buffers;
        b.packed.pack(&self.parameters.values);
        let rows = s![..drawn.len(), ..];
        let fill = |i: usize, input: &mut [f32]| drawn.show(i, epoch, settings, data, input);
        let targets = drawn.targets();
        let parameters = &self.parameters;
        let stats = match &mut self.loss {
            Loss::Batch(terms) => {
                self.net.forward(&b.packed, &mut b.state, b.features.slice_mut(rows), fill);
                let seen = (&b.state, &b.features);
                terms.evaluate(parameters, seen, targets, &mut b.dfeatures, &mut b.gradient)
            }
            Loss::Chunks(chunks) => {
                self.net.forward_backward(
                    &b.packed,
                    &mut b.state,
                    (b.features.slice_mut(rows), b.dfeatures.slice_mut(rows)),
                    fill,
                    (chunks, |chunk: &mut ChunkTerms, first, f, df| {
                        chunk.evaluate(parameters, targets, first, f, df)
                    }),
                    &mut b.gradient.values,
                );
                let used = drawn.len().div_ceil(self.net.chunk_images());
                Some(chunks::sum(&chunks[..used], &mut b.gradient))
            }
        };
        let Some(stats) = stats else {
            // The rest of the data may be too little for a triplet; a full
            // batch never should be.
            return if drawn.len() < drawn.full() {
                Ok(StepStats::default())
            } else {
                Err(TrainError::NoTriplet { epoch, batch })
            };
        };
        let not_finite = |what, value| TrainError::NotFinite { what, value, epoch, batch, lr };
        if !stats.loss.is_finite() {
            return Err(not_finite("loss", stats.loss));
        }

        if let Loss::Batch(_) = self.loss {
            let dfeatures = b.dfeatures.slice(rows);
            self.net.backward(&b.packed, &mut b.state, dfeatures, &mut b.gradient.values);
        }
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
    fn new(net: &ConvNet, images: usize) -> Buffers {
        let network = net.network();
        let features = Array2::zeros((images, network.embedding_len()));
        Buffers {
            packed: Packed::new(network),
            state: net.state(images, true),
            gradient: Parameters::zeros(network),
            dfeatures: features.clone(),
            features,
        }
    }
}

/// `parameters` with the classifier of `network`, whose classes come first.
fn without_views(parameters: &Parameters, network: Network) -> Parameters {
    let mut kept = Parameters::zeros(&network);
    let trunk = network.tensors()[6].offset;
    kept.values[..trunk].copy_from_slice(&parameters.values[..trunk]);
    let (from, to) = (parameters.classifier(), kept.classifier_mut());
    let classes = network.classes();
    { to.0 }.assign(&from.0.slice(s![..classes, ..]));
    { to.1 }.assign(&from.1.slice(s![..classes]));
    kept
}

/// Checks that `teachers` are wanted and fit, and notes in the settings which they are.
fn check_teachers(settings: &mut Settings, teachers: &[Parameters]) -> Result<(), TrainError> {
    let input = settings.network.input();
    if teachers.iter().any(|teacher| teacher.network.input() != input) {
        return Err(TrainError::TeacherShape);
    }
    let Some(similarity) = &mut settings.objective.similarity else {
        let rule = "models teach only where the settings have a similarity to learn";
        return require(teachers.is_empty(), rule, "without one");
    };
    let wanted = !similarity.hog || similarity.models.is_some();
    require(!wanted || !teachers.is_empty(), "there must be a model that teaches", "none")?;
    let mut digest = CRC.digest();
    for teacher in teachers {
        digest.update(bytemuck::cast_slice(&teacher.values));
    }
    similarity.models = (!teachers.is_empty()).then(|| digest.finalize());
    Ok(())
}

fn check_data(settings: &Settings, data: &Dataset) -> Result<(), TrainError> {
    let expected = settings.network.input();
    if data.shape != expected {
        let text = |s: lookalike::Shape| format!("{}x{}x{}", s.height, s.width, s.channels);
        return Err(TrainError::Shape { found: text(data.shape), expected: text(expected) });
    }
    if settings.objective.classifier.is_some() {
        let classes = settings.network.classes();
        if let Some(&label) = data.labels.iter().max().filter(|&&l| usize::from(l) >= classes) {
            return Err(TrainError::Classes { label, classes });
        }
    }
    if settings.objective.pairs.is_some() {
        let mut counts = std::collections::BTreeMap::new();
        for label in &data.labels {
            *counts.entry(label).or_insert(0) += 1;
        }
        if counts.len() < 2 || counts.values().all(|&count| count < 2) {
            return Err(TrainError::NoTripletInData);
        }
    }
    Ok(())
}

/// CRC-32 of the images and their labels.
fn fingerprint(data: &Dataset) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&data.pixels);
    digest.update(bytemuck::cast_slice(&data.labels));
    digest.finalize()
}
