//! Embeddings and logits of a whole data set.

use lookalike::normalize_pixel;
use ndarray::{Array2, ArrayView2};

use super::{ConvNet, Packed, Parameters, linear_forward, normalize_forward};
use crate::data::Dataset;

/// Images that are taken through the network between two looks at the next.
const BLOCK: usize = 1024;

/// Writes an image's pixels as the network's input, in -1..=1.
pub fn fill_input(pixels: &[u8], input: &mut [f32]) {
    for (x, &pixel) in input.iter_mut().zip(pixels) {
        *x = normalize_pixel(pixel);
    }
}

/// Features `[N, E]` of all images, not normalised.
fn features(parameters: &Parameters, dataset: &Dataset) -> Array2<f32> {
    let network = &parameters.network;
    let net = ConvNet::new(network);
    let mut packed = Packed::new(network);
    packed.pack(&parameters.values);
    let mut state = net.state(BLOCK.min(dataset.len()), false);
    let mut features = Array2::zeros((dataset.len(), network.embedding_len()));
    for (block, rows) in features.axis_chunks_iter_mut(ndarray::Axis(0), BLOCK).enumerate() {
        net.forward(&packed, &mut state, rows, |i, input| {
            fill_input(dataset.image(block * BLOCK + i), input);
        });
    }
    features
}

/// L2-normalised embeddings `[N, E]` of all images. Runs on rayon's current pool.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn embed(parameters: &Parameters, dataset: &Dataset) -> Array2<f32> {
    assert_eq!(dataset.shape, parameters.network.input());
    let z = features(parameters, dataset);
    let mut f = Array2::zeros(z.raw_dim());
    normalize_forward(z.view(), f.view_mut());
    f
}

/// Embeddings `[N, E]` as [`embed`], and the classifier's logits `[N, K]`.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn classify(parameters: &Parameters, dataset: &Dataset) -> (Array2<f32>, Array2<f32>) {
    assert_eq!(dataset.shape, parameters.network.input());
    let z = features(parameters, dataset);
    let mut f = Array2::zeros(z.raw_dim());
    normalize_forward(z.view(), f.view_mut());
    (f, logits(parameters, z.view()))
}

fn logits(parameters: &Parameters, z: ArrayView2<'_, f32>) -> Array2<f32> {
    let (weight, bias) = parameters.classifier();
    let mut logits = Array2::zeros((z.nrows(), weight.nrows()));
    linear_forward(z, weight, bias, logits.view_mut());
    logits
}
