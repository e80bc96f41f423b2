//! The activations of calibration images, as f32 and as integers.

use lookalike::{Network, Shape};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::QuantizeError;
use crate::data::Dataset;
use crate::nn::{Activation, ConvNet, Packed, Parameters, fill_input};

/// Bytes of activations that are kept at most: fewer images are used where this
/// is not enough for all.
const MEMORY: usize = 512 << 20;

/// Images that go through the network at a time.
const BLOCK: usize = 64;

/// The layers' names as reports and errors give them.
pub const LAYERS: [&str; 3] = ["convolution 1", "convolution 2", "convolution 3"];

/// What each layer leaves: two pooled maps, and the third convolution's.
pub fn outputs(network: &Network) -> [Shape; 3] {
    [network.pool1(), network.pool2(), network.conv3()]
}

/// How many images' activations fit [`MEMORY`]; at least one.
pub fn images_that_fit(network: &Network) -> usize {
    let values: usize = outputs(network).iter().map(|shape| shape.len()).sum();
    (MEMORY / (size_of::<f32>() * values)).max(1)
}

/// The float activations of a set of images, after each layer, channels-last.
#[derive(Clone, Debug)]
pub struct Activations {
    /// Of all images, one after another.
    pub maps: [Vec<f32>; 3],
}

impl Activations {
    /// Those of all images of `data`, computed on rayon's current pool.
    pub fn of(parameters: &Parameters, data: &Dataset) -> Result<Activations, QuantizeError> {
        let network = &parameters.network;
        let net = ConvNet::new(network);
        let mut packed = Packed::new(network);
        packed.pack(&parameters.values);
        let mut state = net.state(BLOCK.min(data.len()), false);
        let mut features = Array2::zeros((BLOCK, network.embedding_len()));
        let mut maps: [Vec<f32>; 3] =
            outputs(network).map(|s| Vec::with_capacity(data.len() * s.len()));
        for start in (0..data.len()).step_by(BLOCK) {
            let count = BLOCK.min(data.len() - start);
            let rows = features.slice_mut(ndarray::s![..count, ..]);
            net.forward(&packed, &mut state, rows, |i, input| {
                fill_input(data.image(start + i), input);
            });
            for i in 0..count {
                for (map, which) in
                    maps.iter_mut().zip([Activation::Pool1, Activation::Pool2, Activation::Conv3])
                {
                    let activation = net.activation(&state, which, i);
                    map.extend(activation.permuted_axes([1, 2, 0]).iter());
                }
            }
        }
        for (map, layer) in maps.iter().zip(LAYERS) {
            if !map.iter().all(|value| value.is_finite()) {
                return Err(QuantizeError::NotFinite { layer });
            }
            if !map.iter().any(|&value| value > 0.0) {
                return Err(QuantizeError::Dead { layer });
            }
        }
        Ok(Activations { maps })
    }
}

/// The mean and the mean square of each value of a 3x3 patch.
#[derive(Clone, Debug)]
pub struct PatchMoments {
    /// `[tap]` in the order of a kernel: `[input][ky][kx]`.
    pub mean: Array1<f64>,
    /// The same of the squares.
    pub square: Array1<f64>,
}

impl PatchMoments {
    /// Over all places of the maps `[image][y][x][channel]` of `shape`, times
    /// `scale[channel]`.
    pub fn of<T: Copy + Into<f64>>(maps: &[T], shape: Shape, scale: &[f64]) -> PatchMoments {
        let Shape { height, width, channels } = shape;
        let mut mean = Array1::zeros(9 * channels);
        let mut square = Array1::zeros(9 * channels);
        let mut pixels = Array2::<f64>::zeros((2 * channels, height * width));
        for image in maps.chunks_exact(shape.len()) {
            for (pixel, values) in image.chunks_exact(channels).enumerate() {
                for (c, &value) in values.iter().enumerate() {
                    let value: f64 = value.into();
                    pixels[[c, pixel]] += value;
                    pixels[[channels + c, pixel]] += value * value;
                }
            }
        }
        let images = (maps.len() / shape.len().max(1)).max(1);
        let places = (images * (height - 2) * (width - 2)) as f64;
        let sum_of = |row: ArrayView2<'_, f64>, tap: usize| -> f64 {
            let (ky, kx) = (tap / 3, tap % 3);
            row.slice(ndarray::s![ky..height - 2 + ky, kx..width - 2 + kx]).sum()
        };
        for (row, pixels) in pixels.axis_iter(Axis(0)).enumerate() {
            let map = pixels.into_shape_with_order((height, width)).expect("one value a pixel");
            let c = row % channels;
            for tap in 0..9 {
                let sum = sum_of(map, tap) / places;
                if row < channels {
                    mean[9 * c + tap] = sum * scale[c];
                } else {
                    square[9 * c + tap] = sum * scale[c] * scale[c];
                }
            }
        }
        PatchMoments { mean, square }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_patches() {
        let shape = Shape { height: 4, width: 5, channels: 2 };
        let maps: Vec<u8> = (0..3 * shape.len()).map(|i| (i * i % 251) as u8).collect();
        let moments = PatchMoments::of(&maps, shape, &[1.0, 0.5]);
        for (c, scale) in [(0, 1.0), (1, 0.5)] {
            for (ky, kx) in [(0, 0), (1, 2), (2, 1)] {
                let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
                for image in 0..3 {
                    for (y, x) in (0..2).flat_map(|y| (0..3).map(move |x| (y, x))) {
                        let at = ((image * 4 + y + ky) * 5 + x + kx) * 2 + c;
                        let value = scale * f64::from(maps[at]);
                        sum += value;
                        squares += value * value;
                        count += 1.0;
                    }
                }
                let tap = 9 * c + 3 * ky + kx;
                assert!((moments.mean[tap] - sum / count).abs() < 1e-9);
                assert!((moments.square[tap] - squares / count).abs() < 1e-9);
            }
        }
    }
}
