//! Models of every kind of misfortune: what comes out must be what the core
//! accepts, and close to what went in.

use lookalike::{MAX_BIAS, MAX_MULTIPLIER, Network, Packing};

use super::forward::Forward;
use super::*;
use crate::data::Dataset;
use crate::files::{LoadedModel, NewModel, NewParameters, self_test_images};
use crate::nn::{Parameters, embed};
use crate::rng::{Purpose, stream};
use rand::RngExt;

fn network() -> Network {
    Network::new([2, 20, 22], [5, 6, 7], 2, 3).unwrap()
}

/// Random images, then one all black, one all white and one with one pixel.
fn images(network: &Network) -> Dataset {
    let len = network.input().len();
    let mut rng = stream(1, Purpose::Selection, 0);
    let mut pixels: Vec<u8> = (0..30 * len).map(|_| rng.random()).collect();
    pixels.extend(vec![0; len]);
    pixels.extend(vec![255; len]);
    pixels.extend(vec![0; len]);
    *pixels.last_mut().unwrap() = 255;
    let labels = (0..33).map(|i| i % 3).collect();
    let class_names = ["a", "b", "c"].map(String::from).to_vec();
    Dataset { shape: network.input(), pixels, labels, class_names }
}

fn parameters(network: &Network) -> Parameters {
    Parameters::random(network, &mut stream(2, Purpose::Initialisation, 0))
}

/// The model with its parameters changed, quantised with all that is tried.
fn quantized(
    change: impl Fn(&mut Parameters),
    data: &Dataset,
) -> Result<(LoadedModel, LoadedModel, Report), QuantizeError> {
    let mut parameters = parameters(&network());
    change(&mut parameters);
    let new = NewModel {
        parameters: NewParameters::F32(&parameters),
        class_names: &data.class_names,
        acceptance: None,
        self_test_images: self_test_images(data),
    };
    let model = LoadedModel::new(&new)?;
    let options = Options { outputs: 8, ..Options::default() };
    let (int8, report) = quantize(&model, data, Packing::Compact, &options)?;
    for layer in &int8.quantized().unwrap().layers {
        assert!(layer.weights.iter().all(|&weight| weight >= -127));
        assert!(layer.biases.iter().all(|bias| bias.abs() <= MAX_BIAS));
        assert!(layer.multipliers.iter().all(|&multiplier| multiplier <= MAX_MULTIPLIER));
    }
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("NaN") && !json.contains("inf"), "{json}");
    Ok((model, int8, report))
}

/// Signal-to-noise ratio of the embeddings in dB.
fn embedding_snr(model: &LoadedModel, int8: &LoadedModel, data: &Dataset) -> f64 {
    snr(model.embed(data).view(), int8.embed(data).view()).unwrap()
}

/// The values of tensor `index` of [`Network::tensors`].
fn tensor(parameters: &mut Parameters, index: usize) -> &mut [f32] {
    let range = parameters.network.tensors()[index].range();
    &mut parameters.values[range]
}

#[test]
fn an_ordinary_model_loses_little() {
    let data = images(&network());
    let (model, int8, report) = quantized(|_| (), &data).unwrap();
    let snr = embedding_snr(&model, &int8, &data);
    assert!(snr > 30.0, "{snr}");
    assert!(report.trials.is_sorted_by(|a, b| a.snr >= b.snr));
    let worst: Vec<f64> = report.layers.iter().map(|layer| layer.snr.unwrap()).collect();
    assert!(worst.is_sorted() && worst[0] > 25.0, "{worst:?}");
    // The classifier goes on working on the integer features.
    let [float, integer] = [&model, &int8].map(|model| model.classify(&data).1);
    let largest = float.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    for (x, y) in float.iter().zip(&integer) {
        assert!((x - y).abs() < 0.05 * largest, "{x} {y}");
    }
}

#[test]
fn the_core_embeds_as_the_quick_forward_pass() {
    let data = images(&network());
    let (_, int8, _) = quantized(|_| (), &data).unwrap();
    let layers = int8.quantized().unwrap().layers.each_ref();
    let features = Forward::new(&network(), layers).features(&data);
    let mut embeddings = features.clone();
    crate::nn::normalize_forward(features.view(), embeddings.view_mut());
    let unrounded = int8.unrounded(&data);
    for (x, y) in embeddings.iter().zip(&unrounded) {
        assert!((x - y).abs() < 1e-6, "{x} {y}");
    }
}

#[test]
fn a_dead_channel_stays_dead() {
    let data = images(&network());
    for bias in [-1.0, 0.0, 0.25, 1e15] {
        let (model, int8, _) = quantized(
            |p| {
                let taps = 9 * 5;
                tensor(p, 2)[3 * taps..4 * taps].fill(0.0);
                tensor(p, 3)[3] = bias;
            },
            &data,
        )
        .unwrap();
        if bias < 1.0 {
            let snr = embedding_snr(&model, &int8, &data);
            assert!(snr > 30.0, "bias {bias}: {snr}");
        }
    }
}

#[test]
fn one_giant_weight_is_survived() {
    let data = images(&network());
    for (layer, giant) in [(0, 1e4), (2, 1e6), (2, -1e6), (4, 1e12), (4, -1e30)] {
        let (_, int8, _) = quantized(|p| tensor(p, layer)[7] = giant, &data).unwrap();
        assert!(int8.embed(&data).iter().all(|x| x.is_finite()), "{layer} {giant}");
    }
}

/// A giant weight on an input that is always 0 must not cost the others their
/// precision.
#[test]
fn a_giant_weight_that_meets_only_zeros_costs_nothing() {
    let data = images(&network());
    let (model, int8, _) = quantized(
        |p| {
            tensor(p, 1)[2] = -100.0;
            for output in 0..6 {
                tensor(p, 2)[(output * 5 + 2) * 9] = 1e9;
            }
        },
        &data,
    )
    .unwrap();
    let snr = embedding_snr(&model, &int8, &data);
    assert!(snr > 30.0, "{snr}");
}

#[test]
fn tiny_ranges_scale() {
    let data = images(&network());
    let (model, int8, _) = quantized(
        |p| {
            for index in 0..4 {
                tensor(p, index).iter_mut().for_each(|x| *x *= 1e-12);
            }
            // Below the smallest normal number.
            tensor(p, 4).iter_mut().for_each(|x| *x *= 1e-6);
            tensor(p, 5).iter_mut().for_each(|x| *x *= 1e-18);
        },
        &data,
    )
    .unwrap();
    let unscaled = quantized(|_| (), &data).unwrap();
    assert_eq!(model.network, unscaled.0.network);
    assert!(int8.embed(&data).iter().all(|x| x.is_finite()));
}

#[test]
fn images_that_are_all_the_same_are_enough() {
    let mut data = images(&network());
    let first = data.image(0).to_vec();
    data.pixels = first.repeat(data.len());
    let (model, int8, _) = quantized(|_| (), &data).unwrap();
    assert!(embedding_snr(&model, &int8, &data) > 25.0);
    let one = data.subset(&[0]);
    assert!(quantized(|_| (), &one).is_ok());
    assert!(matches!(quantized(|_| (), &data.subset(&[])), Err(QuantizeError::NoImages)));
}

#[test]
fn a_dead_or_infinite_layer_is_named() {
    let data = images(&network());
    for (layer, name) in LAYERS.into_iter().enumerate() {
        let dead = quantized(
            |p| {
                tensor(p, 2 * layer).fill(0.0);
                tensor(p, 2 * layer + 1).fill(-1.0);
            },
            &data,
        );
        assert_eq!(dead.unwrap_err(), QuantizeError::Dead { layer: name });
    }
    let infinite = quantized(|p| tensor(p, 2).fill(f32::MAX), &data).unwrap_err();
    assert_eq!(infinite, QuantizeError::NotFinite { layer: LAYERS[1] });
}

#[test]
fn quantising_twice_is_refused() {
    let data = images(&network());
    let (_, int8, _) = quantized(|_| (), &data).unwrap();
    let again = quantize(&int8, &data, Packing::Fast, &Options::default()).unwrap_err();
    assert_eq!(again, QuantizeError::Quantized);
    // And the f32 embeddings are what `nn` says.
    let parameters = parameters(&network());
    assert_eq!(embed(&parameters, &data).dim(), (33, 28));
}

#[test]
fn every_recipe_is_tried_and_means_what_it_says() {
    let data = images(&network());
    let (_, _, report) = quantized(|_| (), &data).unwrap();
    assert_eq!(report.trials.len(), 9);
    let with = |of: fn(&Recipe) -> bool| report.trials.iter().filter(|t| of(&t.recipe)).count();
    assert_eq!(with(|r| !r.correct_biases), 2);
    assert_eq!(with(|r| !r.clip_weights), 2);
    assert_eq!(with(|r| r.equalization > 0.0), 2);
    assert_eq!(report.coder.bits.len(), 7);
    assert_eq!(report.coder.projections.len(), 6);
}
