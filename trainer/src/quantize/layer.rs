//! One convolution from f32 to integers.

use ndarray::ArrayView1;

use super::activations::PatchMoments;
use super::forward::Layer;

/// A convolution in f64: inputs in units of which the integers are multiples of
/// `input_scale`.
pub(super) struct FloatLayer<'a> {
    /// `[output][input][ky][kx]`.
    pub weights: &'a [f64],
    /// One for each output channel.
    pub biases: &'a [f64],
    pub inputs: usize,
}

/// How the weights' scales are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightScale {
    /// The largest magnitude of the output channel becomes 127.
    Largest,
    /// The least error of the sum, each weight's error weighted by the mean
    /// square of its input; the largest weights may be clipped.
    LeastError,
}

/// The largest magnitude of a bias that a model may have.
const MAX_BIAS: f64 = (1u32 << 30) as f64;

/// A multiplier is an integer: from this on its rounding changes no output by
/// more than a quarter.
const MIN_MULTIPLIER: f64 = 512.0;

/// The largest multiplier that a model may have.
const MAX_MULTIPLIER: f64 = ((1u32 << 31) - 1) as f64;

/// Quantises a layer. Its input is `input_scale` times the integers whose
/// `moments` are given, its output `output_scale` times integers.
///
/// With the scale s of an output channel's weights, q = round(w / s) within
/// -127..=127; the bias is in quarters of s x input scale, the multiplier
/// 2^30 s input scale / output scale. Whatever the weights, s is chosen such
/// that the multiplier lies between 2^9 and 2^31, and the bias is clipped where
/// it exceeds 2^30: such a channel is 0 or saturated for every input.
pub(super) fn quantize(
    layer: &FloatLayer<'_>,
    choice: WeightScale,
    moments: &PatchMoments,
    input_scale: f64,
    output_scale: f64,
) -> (Layer, Vec<f64>) {
    let unit = output_scale / input_scale;
    let (least, most) =
        (unit * MIN_MULTIPLIER / 2f64.powi(30), unit * MAX_MULTIPLIER / 2f64.powi(30));
    let taps = 9 * layer.inputs;
    let mut quantized = Layer {
        inputs: layer.inputs,
        weights: Vec::new(),
        biases: Vec::new(),
        multipliers: Vec::new(),
    };
    let mut scales = Vec::new();
    for (weights, &bias) in layer.weights.chunks_exact(taps).zip(layer.biases) {
        let largest = weights.iter().fold(0.0f64, |m, w| m.max(w.abs())) / 127.0;
        let for_bias = 4.0 * bias.abs() / (input_scale * MAX_BIAS);
        let bounded = |scale: f64| scale.max(for_bias).max(least).min(most);
        let scale = bounded(match choice {
            WeightScale::Largest => largest,
            WeightScale::LeastError => least_error(weights, moments.square.view(), largest),
        });
        quantized.weights.extend(weights.iter().map(|&w| rounded(w, scale)));
        let quarters = 4.0 * bias / (input_scale * scale);
        quantized.biases.push(quarters.round().clamp(-MAX_BIAS, MAX_BIAS) as i32);
        quantized.multipliers.push((2f64.powi(30) * scale / unit).round() as u32);
        scales.push(scale);
    }
    (quantized, scales)
}

fn rounded(weight: f64, scale: f64) -> i8 {
    (weight / scale).round().clamp(-127.0, 127.0) as i8
}

/// The scale, at most `largest`, with the least sum of squared weight errors
/// times the mean squares of their inputs.
fn least_error(weights: &[f64], squares: ArrayView1<'_, f64>, largest: f64) -> f64 {
    let error = |scale: f64| -> f64 {
        let of = |(&w, &square): (&f64, &f64)| {
            let error = w - f64::from(rounded(w, scale)) * scale;
            square * error * error
        };
        weights.iter().zip(squares).map(of).sum()
    };
    if largest <= 0.0 {
        return 0.0;
    }
    // Coarse steps reach the others where one weight dwarfs them; fine ones
    // follow from one coarse step above the best.
    let mut best = largest;
    let mut least = error(best);
    let mut search = |from: f64, factor: f64, steps: i32| {
        for scale in (0..steps).map(|step| from * factor.powi(step)) {
            let error = error(scale);
            if error < least {
                (best, least) = (scale, error);
            }
        }
        best
    };
    let coarse = search(largest, COARSE, 100);
    search(largest.min(coarse / COARSE), FINE, 40)
}

const COARSE: f64 = 0.7;
const FINE: f64 = 0.98;

/// Moves the biases so that the mean sums of the integer layer are those of the
/// float layer: `float` are the means of the float patches, `integer` those of
/// the integers.
pub(super) fn correct_biases(
    quantized: &mut Layer,
    layer: &FloatLayer<'_>,
    (float, integer): (&PatchMoments, &PatchMoments),
    scales: &[f64],
    input_scale: f64,
) {
    let taps = 9 * layer.inputs;
    for (o, (weights, scale)) in layer.weights.chunks_exact(taps).zip(scales).enumerate() {
        let expected: f64 = weights.iter().zip(&float.mean).map(|(w, x)| w * x).sum();
        let rounded = &quantized.weights[o * taps..(o + 1) * taps];
        let found: f64 = rounded.iter().zip(&integer.mean).map(|(&q, x)| f64::from(q) * x).sum();
        let target = (layer.biases[o] + expected) / (input_scale * scale) - found;
        let quarters = (4.0 * target).round();
        if quarters.abs() <= MAX_BIAS {
            quantized.biases[o] = quarters as i32;
        }
    }
}
