//! Losses of a batch, each with its hand-written gradient.
//!
//! [`cross_entropy`] looks at the classifier's logits, [`CosineSoftmax`] at the
//! cosines between embeddings and a weight for each class. The others look at
//! the embeddings through all pairwise similarities ([`Pairs`]): they fill a
//! B x B matrix of gradients, and one small GEMM turns it into the gradient of
//! the embeddings. Derivations: `docs/gradients.md`.

mod cosine_softmax;
mod cross_entropy;
mod margin;
mod pairs;
mod sigmoid;
mod smooth_ap;
mod supervised_contrastive;
mod taught_similarity;
#[cfg(test)]
mod tests;
mod triplet;

pub use cosine_softmax::{CosineBuffers, CosineSoftmax, CosineStats};
pub use cross_entropy::cross_entropy;
pub use margin::{Margin, ParseMarginError};
pub use pairs::Pairs;
pub use smooth_ap::SmoothAp;
pub use supervised_contrastive::SupervisedContrastive;
pub use taught_similarity::taught_similarity;
pub use triplet::{Mining, Reduction, Triplet, TripletStats};
