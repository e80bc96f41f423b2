//! How far the integer network is from the float one.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;

use super::activations::{Activations, LAYERS, outputs};
use super::forward::{Forward, run_layer};
use super::network::Trunk;
use crate::data::Dataset;

/// What quantising does to one layer's output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerNoise {
    /// The layer.
    pub layer: &'static str,
    /// Signal-to-noise ratio in dB of what the integer network has after this
    /// layer; `None` if nothing is lost.
    pub snr: Option<f64>,
    /// The same for this layer alone: its input is the float network's, rounded.
    pub own_snr: Option<f64>,
    /// What a step of 1 stands for.
    pub scale: f64,
    /// The share of outputs that are 255, the largest there is.
    pub saturated: f64,
}

/// 10 log10(signal / noise) of sums of squares; `None` without noise.
pub fn decibels(signal: f64, noise: f64) -> Option<f64> {
    (noise > 0.0).then(|| 10.0 * (signal / noise).log10())
}

/// The signal-to-noise ratio of vectors, row by row: `[N, D]`.
pub fn snr(exact: ArrayView2<'_, f32>, noisy: ArrayView2<'_, f32>) -> Option<f64> {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (&x, &y) in exact.iter().zip(noisy.iter()) {
        signal += f64::from(x).powi(2);
        noise += (f64::from(x) - f64::from(y)).powi(2);
    }
    decibels(signal, noise)
}

/// Compares the layers on the images of `data`, whose float activations are
/// `activations`; the worst ratio first.
pub(super) fn layer_noise(
    trunk: &Trunk,
    data: &Dataset,
    activations: &Activations,
) -> Vec<LayerNoise> {
    let forward = Forward::new(&trunk.network, trunk.layers());
    let integer: Vec<[Vec<u8>; 3]> =
        (0..data.len()).into_par_iter().map(|i| forward.activations(data.image(i))).collect();
    let mut layers: Vec<LayerNoise> = (0..3)
        .map(|i| {
            let through: Vec<u8> =
                integer.iter().flat_map(|maps| maps[i].iter().copied()).collect();
            let own_input = if i == 0 {
                data.pixels.clone()
            } else {
                trunk.rounded(i - 1, &activations.maps[i - 1])
            };
            let own = run_layer(&trunk.network, i, &trunk.layers[i], &own_input);
            let saturated = through.iter().filter(|&&value| value == u8::MAX).count();
            LayerNoise {
                layer: LAYERS[i],
                snr: map_snr(trunk, i, &activations.maps[i], &through),
                own_snr: map_snr(trunk, i, &activations.maps[i], &own),
                scale: trunk.scales[i],
                saturated: saturated as f64 / through.len() as f64,
            }
        })
        .collect();
    let order = |noise: &LayerNoise| noise.snr.unwrap_or(f64::INFINITY);
    layers.sort_by(|a, b| order(a).total_cmp(&order(b)));
    layers
}

/// Channels are compared as they were before they were equalised.
fn map_snr(trunk: &Trunk, layer: usize, float: &[f32], integer: &[u8]) -> Option<f64> {
    let channels = outputs(&trunk.network)[layer].channels;
    let factors: Vec<f64> =
        trunk.equalizers[layer].iter().map(|c| trunk.scales[layer] / c).collect();
    let (mut signal, mut noise) = (0.0, 0.0);
    for (float, integer) in float.chunks_exact(channels).zip(integer.chunks_exact(channels)) {
        for ((&x, &y), factor) in float.iter().zip(integer).zip(&factors) {
            let (x, y) = (f64::from(x), f64::from(y) * factor);
            signal += x * x;
            noise += (x - y) * (x - y);
        }
    }
    decibels(signal, noise)
}
