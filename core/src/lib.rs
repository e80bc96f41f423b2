//! Image retrieval on a microcontroller: embeds a camera image with a small
//! convolutional network and finds its nearest neighbours in a gallery.
//!
//! No standard library, no allocation, and no panic in a release build: what can
//! go wrong is an error value. No unsafe code, but for one module of machine
//! instructions for Cortex-M. Elsewhere build with `opt-level = 3`: the compiler
//! unrolls the convolutions' inner loop only then. On a computer the feature
//! `simd`, which needs std, embeds in less than half the time; embeddings keep
//! their bits.
//!
//! [`Model`] embeds with parameters in [`F32`] or [`Int8`]; [`code`] lists how
//! embeddings are kept and compared.
//!
//! ```
//! use lookalike::{F32, Gallery, Matches, Model, Network};
//!
//! // In flash; the weights are used where they lie.
//! static MODEL: &[u8] =
//!     lookalike::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.model"));
//! let model = Model::<F32>::from_bytes(MODEL)?;
//!
//! // Firmware takes the size of a static workspace from the network it is
//! // made for: `[f32; NETWORK.workspace_len()]`.
//! let mut workspace = vec![0.0; model.workspace_len()];
//! let image = [128; 22 * 30 * 2];
//! let embedding = model.embed(&image, &mut workspace)?;
//!
//! // Room for 16 items of 36 dimensions.
//! let mut gallery: Gallery<'_, 16, 36> = Gallery::new(&model, None)?;
//! let id = gallery.enrol("cup", &embedding)?;
//!
//! let matches: Matches<5> = gallery.search(&embedding);
//! assert_eq!(matches.len(), 1);
//! assert_eq!(matches[0].id, id);
//! assert_eq!(gallery.label(id), Some("cup"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![cfg_attr(not(machine), forbid(unsafe_code))]
#![cfg_attr(machine, deny(unsafe_code))]

mod chunks;
pub mod code;
mod distance;
mod embedding;
pub mod few_shot;
mod file;
mod forward;
pub mod gallery;
mod include;
#[cfg(machine)]
#[allow(unsafe_code)]
mod machine;
pub mod model;
mod names;
mod network;
mod quantized;
#[cfg(feature = "store")]
pub mod store;
mod top_k;

pub use code::{Binary, Code, CodeError, Coder, Projected, TwoStage, U8};
pub use distance::{dot, squared_distance};
pub use embedding::{Embedding, EmbeddingError};
pub use few_shot::{Prototypes, Recognition};
pub use file::{FileError, FileKind};
pub use forward::float::normalize_pixel;
pub use gallery::{Gallery, GalleryError, GalleryFile, GalleryFileError};
#[doc(hidden)]
pub use include::Aligned;
pub use model::{
    Acceptance, EmbedError, Encoding, F32, Int8, Model, ModelError, Rule, SelfTestError,
};
pub use names::Names;
pub use network::{Network, NetworkError, Shape, Tensor};
pub use quantized::{MAX_BIAS, MAX_MULTIPLIER, Packing, QuantizedConv};
#[cfg(feature = "store")]
pub use store::{Store, StoreError};
pub use top_k::{Match, Matches, TopK};
