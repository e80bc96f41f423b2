//! What a trained embedding has to beat.

use lookalike::{ModelError, Network, Shape};
use ndarray::{Array2, Axis};

use crate::data::Dataset;
use crate::files::{LoadedModel, NewModel, NewParameters};
use crate::hog::Hog;
use crate::nn::Parameters;
use crate::rng::{Purpose, stream};

/// A norm is clamped below at this, as an embedding's is.
const SMALLEST_NORM: f32 = 1e-12;

/// The images themselves as embeddings: `[N, height x width x channels]`, each
/// pixel as stored, 0 to 255, divided by the image's L2 norm. An image that is
/// black throughout stays zero.
pub fn pixels(data: &Dataset) -> Array2<f32> {
    let values = data.pixels.iter().map(|&pixel| f32::from(pixel)).collect();
    let mut rows = Array2::from_shape_vec((data.len(), data.shape.len()), values)
        .expect("a pixel for each place of each image");
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt().max(SMALLEST_NORM);
        row /= norm;
    }
    rows
}

/// Histograms of oriented gradients as embeddings: `[N, 200]`, 8 directions in
/// each of 5 x 5 cells.
pub fn hog(data: &Dataset) -> Array2<f32> {
    Hog::new(data.shape).describe_all(data, 0..data.len())
}

/// The reference network for images of `shape`, with the weights that a
/// training run with `seed` starts from and without a classifier.
///
/// # Errors
/// When the network cannot take such images.
pub fn random_network(shape: Shape, seed: u64) -> Result<LoadedModel, RandomNetworkError> {
    let side = |x: usize| u16::try_from(x).unwrap_or(u16::MAX);
    let input = [shape.channels, shape.height, shape.width].map(side);
    let reference = Network::REFERENCE;
    let widths = reference.widths().map(side);
    let network = Network::new(input, widths, side(reference.grid()), 0)?;
    let mut rng = stream(seed, Purpose::Initialisation, 0);
    let parameters = Parameters::random(&network, &mut rng);
    Ok(LoadedModel::new(&NewModel {
        parameters: NewParameters::F32(&parameters),
        class_names: &[],
        acceptance: None,
        self_test_images: &[],
    })?)
}

/// Why there is no random network for images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RandomNetworkError {
    /// It is outside the family.
    #[error("no reference network takes such images: {0}")]
    Network(#[from] lookalike::NetworkError),
    /// It makes no model.
    #[error("the random network makes no model: {0}")]
    Model(#[from] ModelError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(pixels: Vec<u8>, shape: Shape) -> Dataset {
        let labels = vec![0; pixels.len() / shape.len()];
        Dataset { shape, pixels, labels, class_names: vec!["a".into()] }
    }

    #[test]
    fn pixels_are_divided_by_their_norm() {
        let shape = Shape { height: 1, width: 2, channels: 1 };
        let rows = pixels(&images(vec![3, 4, 0, 0, 0, 255], shape));
        assert_eq!(rows, ndarray::array![[0.6, 0.8], [0.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn histograms_are_those_of_each_image() {
        let shape = Shape { height: 12, width: 9, channels: 2 };
        let data = images((0..3 * shape.len()).map(|i| (i * i * 5 % 251) as u8).collect(), shape);
        let rows = hog(&data);
        assert_eq!(rows.dim(), (3, Hog::LEN));
        for (i, row) in rows.rows().into_iter().enumerate() {
            let image: Vec<f32> = data.image(i).iter().map(|&pixel| f32::from(pixel)).collect();
            let mut expected = vec![0.0; Hog::LEN];
            Hog::new(shape).describe(&image, &mut expected);
            assert_eq!(row.to_slice().unwrap(), expected);
        }
    }

    #[test]
    fn the_random_network_is_the_seed_s() {
        let shape = Shape { height: 20, width: 22, channels: 3 };
        let data = images((0..2 * shape.len()).map(|i| (i * 7) as u8).collect(), shape);
        let embed = |seed| random_network(shape, seed).unwrap().embed(&data);
        assert_eq!(embed(1), embed(1));
        assert_ne!(embed(1), embed(2));
        assert_eq!(embed(1).dim(), (2, 256));
        let small = Shape { height: 2, ..shape };
        let error = random_network(small, 0).unwrap_err().to_string();
        assert!(error.contains("no reference network"), "{error}");
    }
}
