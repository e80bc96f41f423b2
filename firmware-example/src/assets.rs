//! What lies in flash, made by `scripts/firmware-assets.sh`.

use lookalike::Network;

use crate::parameters::{WORDS, Word};

/// A model, a gallery, test images, and the desktop's answers for them.
pub struct Assets {
    /// The model file.
    pub model: &'static [u8],
    /// The gallery file.
    pub gallery: &'static [u8],
    images: &'static [u8],
    labels: &'static [u8],
    embeddings: &'static [u8],
    neighbours: &'static [u8],
}

/// Nearest neighbours that the desktop has noted for each image.
pub const NEIGHBOURS: usize = 10;

/// A test image and what the desktop says about it.
#[derive(Clone, Copy)]
pub struct Query {
    /// Its number among the test images.
    pub number: usize,
    /// Its pixels.
    pub image: &'static [u8],
    /// The digit that it shows.
    pub digit: u8,
    /// The words of its embedding.
    pub embedding: &'static [Word],
    /// The ids of the gallery's items nearest to it.
    pub neighbours: &'static [u8],
}

impl Assets {
    /// The test images.
    pub fn queries(&self) -> impl Iterator<Item = Query> + Clone + use<> {
        let image_len = NETWORK.input().len();
        let embeddings: &[Word] = bytemuck::try_cast_slice(self.embeddings).unwrap_or_default();
        self.images
            .chunks_exact(image_len)
            .zip(self.labels)
            .zip(embeddings.chunks_exact(WORDS))
            .zip(self.neighbours.chunks_exact(NEIGHBOURS))
            .enumerate()
            .map(|(number, (((image, &digit), embedding), neighbours))| Query {
                number,
                image,
                digit,
                embedding,
                neighbours,
            })
    }
}

macro_rules! assets {
    ($directory:literal) => {
        assets!($directory, "model")
    };
    ($directory:literal, $model:literal) => {
        Assets {
            model: lookalike::include_model!(concat!("../assets/", $directory, "/", $model)),
            gallery: lookalike::include_gallery!(concat!("../assets/", $directory, "/gallery")),
            images: include_bytes!(concat!("../assets/", $directory, "/images")),
            labels: include_bytes!(concat!("../assets/", $directory, "/labels")),
            // The macro aligns any file.
            embeddings: lookalike::include_model!(concat!("../assets/", $directory, "/embeddings")),
            neighbours: include_bytes!(concat!("../assets/", $directory, "/neighbours")),
        }
    };
}

/// The network that the buffers are sized for.
#[cfg(not(all(feature = "microbit", not(feature = "int8"))))]
pub const NETWORK: Network = Network::REFERENCE.without_classifier();

/// The micro:bit's RAM is too small for the reference network in f32.
#[cfg(all(feature = "microbit", not(feature = "int8")))]
pub const NETWORK: Network = match Network::new([1, 28, 28], [8, 8, 16], 2, 0) {
    Ok(network) => network,
    Err(_) => panic!("the dimensions are in range"),
};

#[cfg(all(not(feature = "microbit"), not(feature = "int8")))]
pub static ASSETS: Assets = assets!("reference");
#[cfg(all(feature = "microbit", not(feature = "int8")))]
pub static ASSETS: Assets = assets!("small");
#[cfg(all(not(feature = "microbit"), feature = "int8"))]
pub static ASSETS: Assets = assets!("int8", "fast.model");
// With the fast packing the test images would not fit the micro:bit's flash.
#[cfg(all(feature = "microbit", feature = "int8"))]
pub static ASSETS: Assets = assets!("int8", "compact.model");

/// The quantised network.
pub const INT8_NETWORK: Network = Network::REFERENCE;
/// It, in both packings.
pub static INT8_COMPACT: &[u8] = lookalike::include_model!("../assets/int8/compact.model");
pub static INT8_FAST: &[u8] = lookalike::include_model!("../assets/int8/fast.model");
/// The first 64 items of its gallery.
pub static GALLERY_64: &[u8] = lookalike::include_gallery!("../assets/int8/gallery-64");

/// Small models of other dimensions, each with a self-test. Those of quantised
/// models are read from the host: `bin/identity.rs`.
#[cfg(all(not(feature = "microbit"), not(feature = "int8")))]
pub static FAMILY: [&[u8]; 5] = [
    lookalike::include_model!("../assets/family/0.model"),
    lookalike::include_model!("../assets/family/1.model"),
    lookalike::include_model!("../assets/family/2.model"),
    lookalike::include_model!("../assets/family/3.model"),
    lookalike::include_model!("../assets/family/4.model"),
];

/// They need more RAM than the micro:bit's workspace.
#[cfg(any(feature = "microbit", feature = "int8"))]
pub static FAMILY: [&[u8]; 0] = [];
