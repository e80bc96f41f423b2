//! The network's forward and backward passes over a batch.
//!
//! A batch is cut into chunks of [`CHUNK`] images; one thread takes a whole
//! chunk through all layers, so activations stay in its cache, and leaves the
//! chunk's own gradient behind. Chunks do not depend on the number of threads
//! and their gradients are added in order: the result has the same bits for
//! any number of threads.
//!
//! Every layer has its forward and its backward pass side by side. Activations
//! are channels-last with channels padded to a multiple of 16:
//! output channels lie in vector lanes, so no kernel has a remainder loop, and
//! padding stays zero because its weights and biases are zero.

mod conv_avg;
mod conv_pool;
mod convnet;
mod embed;
mod fold;
pub(crate) mod lanes;
mod linear;
mod norm;
mod normalize;
mod packed;
mod parameters;
mod patches;

pub use convnet::{Activation, CHUNK, ConvNet, NORM_CHUNK, State};
pub use embed::{classify, embed, fill_input};
pub use fold::Population;
pub use linear::{linear_backward, linear_forward, predicted};
pub use normalize::{normalize_backward, normalize_forward};
pub use packed::Packed;
pub use parameters::Parameters;
