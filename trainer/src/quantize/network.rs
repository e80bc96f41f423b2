//! All three convolutions from f32 to integers, each after the one before.

use std::borrow::Cow;

use lookalike::{Network, Shape};
use serde::Serialize;

use super::activations::{Activations, PatchMoments, outputs};
use super::forward::{Layer, run_layer};
use super::layer::{FloatLayer, WeightScale, correct_biases, quantize};
use super::range::Calibration;
use crate::data::Dataset;
use crate::nn::Parameters;

/// What is done to the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// How the ranges of activations are found.
    pub calibration: Calibration,
    /// How far the channels of a pooled map are brought to one range, by moving
    /// factors from a convolution's outputs to the next one's inputs, which
    /// changes nothing in f32: 0 not at all, 1 fully.
    pub equalization: f64,
    /// Whether the largest weights of a channel may be clipped for the sake of
    /// the others, instead of always representing the largest one.
    pub clip_weights: bool,
    /// Whether biases make up for the mean error of the sums.
    pub correct_biases: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            calibration: Calibration::Mse,
            equalization: 0.0,
            clip_weights: true,
            correct_biases: true,
        }
    }
}

/// The integer trunk, and what its integers stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// The dimensions.
    pub network: Network,
    /// The three convolutions.
    pub layers: [Layer; 3],
    /// What a step of each layer's output stands for, channels equalised.
    pub scales: [f64; 3],
    /// What each channel of an output was multiplied by: 1 for the third layer.
    pub equalizers: [Vec<f64>; 3],
}

impl Trunk {
    /// The layers, to run.
    pub fn layers(&self) -> [&Layer; 3] {
        self.layers.each_ref()
    }

    /// What a layer's integers should be where its float output is `maps`.
    pub(super) fn rounded(&self, layer: usize, maps: &[f32]) -> Vec<u8> {
        let factors: Vec<f32> =
            self.equalizers[layer].iter().map(|c| (c / self.scales[layer]) as f32).collect();
        let rows = maps.chunks_exact(factors.len());
        rows.flat_map(|row| row.iter().zip(&factors).map(|(x, f)| (x * f).round() as u8)).collect()
    }
}

/// A pixel p stands for p x 2 / 255 - 1; the -1 goes into the bias.
const PIXEL_SCALE: f64 = 2.0 / 255.0;

/// Quantises the trunk of `parameters`, calibrated on the images of `data`,
/// whose float activations are `activations`. Runs on rayon's current pool; the
/// result does not depend on the number of threads.
pub(super) fn quantize_trunk(
    parameters: &Parameters,
    data: &Dataset,
    activations: &Activations,
    recipe: &Recipe,
) -> Trunk {
    let network = &parameters.network;
    let shapes = outputs(network);
    let equalizers = [0, 1, 2].map(|i| match i {
        2 => vec![1.0; shapes[i].channels],
        _ => equalizers(&activations.maps[i], shapes[i], recipe.equalization),
    });
    let choice = if recipe.clip_weights { WeightScale::LeastError } else { WeightScale::Largest };
    let mut scales = [0.0; 3];
    let mut maps = Cow::Borrowed(data.pixels.as_slice());
    let layers = [0, 1, 2].map(|i| {
        let (weights, biases) = float_layer(parameters, i, &equalizers);
        let input = if i == 0 { network.input() } else { shapes[i - 1] };
        let layer = FloatLayer { weights: &weights, biases: &biases, inputs: input.channels };
        let input_scale = if i == 0 { PIXEL_SCALE } else { scales[i - 1] };
        scales[i] = recipe.calibration.scale(&mut positive(&activations.maps[i], &equalizers[i]));
        let integer = PatchMoments::of(&maps, input, &vec![1.0; input.channels]);
        let (mut quantized, weight_scales) =
            quantize(&layer, choice, &integer, input_scale, scales[i]);
        if recipe.correct_biases {
            let float = match i {
                0 => PatchMoments::of(&maps, input, &vec![PIXEL_SCALE; input.channels]),
                _ => PatchMoments::of(&activations.maps[i - 1], input, &equalizers[i - 1]),
            };
            let moments = (&float, &integer);
            correct_biases(&mut quantized, &layer, moments, &weight_scales, input_scale);
        }
        if i < 2 {
            maps = Cow::Owned(run_layer(network, i, &quantized, &maps));
        }
        quantized
    });
    Trunk { network: *network, layers, scales, equalizers }
}

/// Weights and biases, the equalisers of both sides and the pixels' offset
/// worked in.
fn float_layer(
    parameters: &Parameters,
    layer: usize,
    equalizers: &[Vec<f64>; 3],
) -> (Vec<f64>, Vec<f64>) {
    let tensors = parameters.network.tensors();
    let [weight, bias] = [tensors[2 * layer], tensors[2 * layer + 1]];
    let values = |tensor: lookalike::Tensor| {
        parameters.values[tensor.range()].iter().map(|&v| f64::from(v)).collect::<Vec<f64>>()
    };
    let (mut weights, mut biases) = (values(weight), values(bias));
    let taps = weights.len() / biases.len();
    for (o, (row, bias)) in weights.chunks_exact_mut(taps).zip(&mut biases).enumerate() {
        if layer == 0 {
            *bias -= row.iter().sum::<f64>();
        } else {
            for (at, weight) in row.iter_mut().enumerate() {
                *weight /= equalizers[layer - 1][at / 9];
            }
        }
        row.iter_mut().for_each(|weight| *weight *= equalizers[layer][o]);
        *bias *= equalizers[layer][o];
    }
    (weights, biases)
}

/// Channels are not enlarged by more than this.
const MAX_EQUALIZER: f64 = 256.0;

/// (range of the widest channel / range of the channel)^`power`.
fn equalizers(maps: &[f32], shape: Shape, power: f64) -> Vec<f64> {
    let mut ranges = vec![0.0f32; shape.channels];
    for row in maps.chunks_exact(shape.channels) {
        ranges.iter_mut().zip(row).for_each(|(range, &x)| *range = range.max(x));
    }
    let widest = f64::from(ranges.iter().fold(0.0f32, |m, &r| m.max(r)));
    let of = |&range: &f32| match range {
        // Nothing is known of a channel that is always 0.
        0.0 => 1.0,
        range => (widest / f64::from(range)).powf(power).min(MAX_EQUALIZER),
    };
    ranges.iter().map(of).collect()
}

/// The values above 0, each channel multiplied by its equaliser.
fn positive(maps: &[f32], equalizers: &[f64]) -> Vec<f32> {
    let factors: Vec<f32> = equalizers.iter().map(|&c| c as f32).collect();
    let rows = maps.chunks_exact(factors.len());
    rows.flat_map(|row| row.iter().zip(&factors).map(|(x, f)| x * f)).filter(|&x| x > 0.0).collect()
}
