//! Quantising a model: what is tried, what is kept, and what it costs.

use lookalike::{Network, Packing};
use ndarray::{Array2, ArrayView2};
use rand::seq::index::sample;
use serde::Serialize;

use super::QuantizeError;
use super::activations::{Activations, images_that_fit};
use super::coder::{CoderParameters, CoderReport, learn};
use super::forward::Forward;
use super::network::{Recipe, Trunk, quantize_trunk};
use super::noise::{LayerNoise, layer_noise, snr};
use super::range::Calibration;
use crate::data::Dataset;
use crate::files::{LoadedModel, NewModel, NewParameters, Quantized};
use crate::nn::{Parameters, embed, normalize_forward};
use crate::retrieval::codes::{Benchmark, CodeFigures, Coded};
use crate::rng::{Purpose, stream};

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Images to calibrate on, drawn from the training images.
    pub calibration_images: usize,
    /// Other training images, by which what is tried is compared.
    pub validation_images: usize,
    /// One calibration, or `None` for the best of all.
    pub calibration: Option<Calibration>,
    /// Whether to try what else may help or harm, and use what is best; else
    /// only ranges are tried.
    pub thorough: bool,
    /// Values of projected embeddings; 0 for none.
    pub outputs: usize,
    /// Where the choice of images comes from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            calibration_images: 2000,
            validation_images: 2000,
            calibration: None,
            thorough: true,
            outputs: 32,
            seed: 0,
        }
    }
}

impl Options {
    /// With the least that has to be tried.
    pub fn quick(seed: u64) -> Options {
        Options {
            calibration: Some(Calibration::P9999),
            calibration_images: 1000,
            validation_images: 1000,
            thorough: false,
            seed,
            ..Options::default()
        }
    }
}

/// One way of quantising, measured on the validation images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// What was done.
    pub recipe: Recipe,
    /// Signal-to-noise ratio of the normalised embedding in dB; `None` if
    /// nothing is lost.
    pub snr: Option<f64>,
    /// How the validation images retrieve one another; `None` if no two are of
    /// one class.
    pub figures: Option<CodeFigures>,
}

/// What was measured, on training images only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Images that ranges and biases come from.
    pub calibration_images: usize,
    /// Images that the trials were measured on, none of them among the others
    /// unless there are too few.
    pub validation_images: usize,
    /// The f32 model on the validation images.
    pub float: Option<CodeFigures>,
    /// What was tried; the first one is used.
    pub trials: Vec<Trial>,
    /// The layers of the one that is used, the worst first, measured on
    /// validation images.
    pub layers: Vec<LayerNoise>,
    /// What was tried for the smaller codes.
    pub coder: CoderReport,
}

/// Calibration and validation images, as indices: disjoint if there are at
/// least two, at most half of all each.
fn draw(images: usize, options: &Options) -> (Vec<u32>, Vec<u32>) {
    let half = (images / 2).max(1);
    let (first, second) =
        (options.calibration_images.clamp(1, half), options.validation_images.clamp(1, half));
    let mut rng = stream(options.seed, Purpose::Selection, 2);
    let drawn: Vec<u32> = sample(&mut rng, images, (first + second).min(images))
        .into_iter()
        .map(|i| i as u32)
        .collect();
    (drawn[..first].to_vec(), drawn[drawn.len() - second..].to_vec())
}

/// Quantises the trunk of `parameters`, calibrated on some images of `train`.
/// Runs on rayon's current pool; the result depends neither on that nor on
/// anything but the arguments.
///
/// # Errors
/// [`QuantizeError`] says which layer cannot be quantised.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn quantize_trunk_of(
    parameters: &Parameters,
    train: &Dataset,
    options: &Options,
) -> Result<(Trunk, Report), QuantizeError> {
    if train.is_empty() {
        return Err(QuantizeError::NoImages);
    }
    let network = &parameters.network;
    let fit = images_that_fit(network);
    let (mut calibration, validation) = draw(train.len(), options);
    calibration.truncate(fit);
    let calibration = train.subset(&calibration);
    let activations = Activations::of(parameters, &calibration)?;

    let validation = train.subset(&validation);
    let exact = embed(parameters, &validation);
    let benchmark = Benchmark::new(&validation.labels, exact.view());
    let attempt = |recipe: Recipe| -> (Trunk, Trial) {
        let trunk = quantize_trunk(parameters, &calibration, &activations, &recipe);
        let found = embed_trunk(&trunk, &validation);
        let snr = snr(exact.view(), found.view());
        let figures = benchmark.measure(&Coded::F32(found));
        (trunk, Trial { recipe, snr, figures })
    };
    let calibrations = match options.calibration {
        Some(one) => vec![one],
        None => Calibration::ALL.to_vec(),
    };
    let mut tried: Vec<(Trunk, Trial)> = calibrations
        .into_iter()
        .map(|calibration| attempt(Recipe { calibration, ..Recipe::default() }))
        .collect();
    let order = |(_, trial): &(Trunk, Trial)| trial.snr.unwrap_or(f64::INFINITY);
    tried.sort_by(|a, b| order(b).total_cmp(&order(a)));
    if options.thorough {
        let best = tried[0].1.recipe;
        tried.extend(otherwise(&best).into_iter().map(attempt));
        tried.sort_by(|a, b| order(b).total_cmp(&order(a)));
    }
    let trials = tried.iter().map(|(_, trial)| trial.clone()).collect();
    let trunk = tried.swap_remove(0).0;

    let some: Vec<u32> = (0..validation.len().min(fit).min(500) as u32).collect();
    let some = validation.subset(&some);
    let layers = layer_noise(&trunk, &some, &Activations::of(parameters, &some)?);
    let report = Report {
        calibration_images: calibration.len(),
        validation_images: validation.len(),
        float: benchmark.measure(&Coded::F32(exact.clone())),
        trials,
        layers,
        coder: CoderReport::default(),
    };
    Ok((trunk, report))
}

/// Quantises a whole f32 model, for `packing`: its trunk, its classifier, and
/// a coder. What its acceptance was calibrated for is lost: the distances are
/// others. The self-test has the same images.
///
/// # Errors
/// [`QuantizeError`] says what cannot be quantised.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn quantize(
    model: &LoadedModel,
    train: &Dataset,
    packing: Packing,
    options: &Options,
) -> Result<(LoadedModel, Report), QuantizeError> {
    let parameters = model.float().ok_or(QuantizeError::Quantized)?;
    let (trunk, mut report) = quantize_trunk_of(parameters, train, options)?;
    let mut quantized = Quantized {
        network: trunk.network,
        packing,
        classifier: scaled_classifier(parameters, &trunk),
        layers: trunk.layers,
        coder: CoderParameters::default(),
    };
    let in_memory = |quantized: &Quantized| {
        let parameters = NewParameters::Int8(quantized);
        LoadedModel::new(&NewModel { parameters, acceptance: None, ..model.as_new() })
    };
    let bare = in_memory(&quantized)?;
    (quantized.coder, report.coder) = learn_coder(&bare, train, options);
    Ok((in_memory(&quantized)?, report))
}

/// Training images that a coder is learned from, and those it is chosen by.
const CODER_IMAGES: [usize; 2] = [5000, 2000];

/// Learns a coder for an integer model; the number of images in `options` does
/// not matter.
///
/// # Panics
/// When the images are not of the network's input shape, or there are none.
pub fn learn_coder(
    model: &LoadedModel,
    train: &Dataset,
    options: &Options,
) -> (CoderParameters, CoderReport) {
    let Options { outputs, thorough, seed, .. } = *options;
    let [calibration_images, validation_images] = CODER_IMAGES;
    let options = Options { calibration_images, validation_images, ..*options };
    let (training, validation) = draw(train.len(), &options);
    let training = model.u8_words(&train.subset(&training));
    let validation = train.subset(&validation);
    let benchmark = Benchmark::new(&validation.labels, model.unrounded(&validation).view());
    let validation = model.u8_words(&validation);
    let dimension = model.network.embedding_len();
    learn(dimension, training.view(), validation.view(), &benchmark, outputs, (thorough, seed))
}

/// The recipe with one thing changed at a time, and with all of them.
fn otherwise(recipe: &Recipe) -> Vec<Recipe> {
    vec![
        Recipe { correct_biases: false, ..*recipe },
        Recipe { clip_weights: false, ..*recipe },
        Recipe { equalization: 0.5, ..*recipe },
        Recipe { equalization: 1.0, ..*recipe },
        Recipe { correct_biases: false, clip_weights: false, ..*recipe },
    ]
}

/// Normalised features of the integer network, in f32: `[N, E]`.
fn embed_trunk(trunk: &Trunk, data: &Dataset) -> Array2<f32> {
    let features = Forward::new(&trunk.network, trunk.layers()).features(data);
    normalized(features.view())
}

fn normalized(features: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut embeddings = Array2::zeros(features.raw_dim());
    normalize_forward(features, embeddings.view_mut());
    embeddings
}

/// The classifier that takes the integer network's features: its weights times
/// what a step of the features stands for.
fn scaled_classifier(parameters: &Parameters, trunk: &Trunk) -> Vec<f32> {
    let network: &Network = &parameters.network;
    let [.., weight, bias] = network.tensors();
    let scale = trunk.scales[2] as f32;
    let weights = parameters.values[weight.range()].iter().map(|w| w * scale);
    weights.chain(parameters.values[bias.range()].iter().copied()).collect()
}
