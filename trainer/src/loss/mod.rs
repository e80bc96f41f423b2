//! Losses of a batch, each with its hand-written gradient.
//!
//! [`CrossEntropy`](cross_entropy) looks at the classifier's logits. The
//! others look at the embeddings through all pairwise similarities
//! ([`Pairs`]): they fill a B x B matrix of gradients, and one small GEMM turns
//! it into the gradient of the embeddings. Derivations: `docs/gradients.md`.

mod cross_entropy;
mod pairs;
mod smooth_ap;
mod triplet;

pub use cross_entropy::cross_entropy;
pub use pairs::Pairs;
pub use smooth_ap::SmoothAp;
pub use triplet::{Mining, Reduction, Triplet, TripletStats};
