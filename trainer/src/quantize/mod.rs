//! From an f32 model to integers: post-training quantisation, and what the
//! smaller codes of its embeddings need.
//!
//! See `docs/quantization.md` for the method and for what was measured.

mod activations;
pub mod coder;
mod forward;
mod layer;
mod network;
mod noise;
pub mod pca;
mod range;
mod study;
pub mod table;
#[cfg(test)]
mod tests;

pub use activations::LAYERS;
pub use forward::{Forward, Layer};
pub use network::{Recipe, Trunk};
pub use noise::{LayerNoise, snr};
pub use range::Calibration;
pub use study::{Options, Report, Trial, learn_coder, quantize, quantize_trunk_of};

/// Why a model cannot be quantised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// An activation is infinite or NaN.
    #[error(
        "{layer} gives a value that is not finite for a calibration image: the weights up to it \
         are too large; train the model again"
    )]
    NotFinite {
        /// The layer.
        layer: &'static str,
    },
    /// A layer's output is 0 everywhere.
    #[error(
        "{layer} gives 0 for every calibration image, so that all embeddings are equal: train the \
         model again, or calibrate on the images that it was trained for (--data)"
    )]
    Dead {
        /// The layer.
        layer: &'static str,
    },
    /// No image to calibrate on.
    #[error("there is no image to calibrate on")]
    NoImages,
    /// The model is one already.
    #[error("the model is quantised already: give the f32 model that it was made of")]
    Quantized,
    /// The classifier's weights overflow when they are scaled.
    #[error("the quantised model cannot be written: {0}; train the model again")]
    Model(#[from] lookalike::ModelError),
}
