//! What lies in flash, made by `scripts/firmware-assets.sh`.

use lookalike::Network;

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
    /// Its embedding.
    pub embedding: &'static [f32],
    /// The ids of the gallery's items nearest to it.
    pub neighbours: &'static [u8],
}

impl Assets {
    /// The test images.
    pub fn queries(&self) -> impl Iterator<Item = Query> + Clone + use<> {
        let image_len = NETWORK.input().len();
        let embeddings: &[f32] = bytemuck::try_cast_slice(self.embeddings).unwrap_or_default();
        self.images
            .chunks_exact(image_len)
            .zip(self.labels)
            .zip(embeddings.chunks_exact(NETWORK.embedding_len()))
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
        Assets {
            model: lookalike::include_model!(concat!("../assets/", $directory, "/model")),
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
#[cfg(not(feature = "microbit"))]
pub const NETWORK: Network = Network::REFERENCE;
#[cfg(not(feature = "microbit"))]
pub static ASSETS: Assets = assets!("reference");

/// The micro:bit's RAM is too small for the reference network.
#[cfg(feature = "microbit")]
pub const NETWORK: Network = match Network::new([1, 28, 28], [8, 8, 16], 2, 0) {
    Ok(network) => network,
    Err(_) => panic!("the dimensions are in range"),
};
#[cfg(feature = "microbit")]
pub static ASSETS: Assets = assets!("small");

/// Small models of other dimensions, each with a self-test.
#[cfg(not(feature = "microbit"))]
pub static FAMILY: [&[u8]; 5] = [
    lookalike::include_model!("../assets/family/0.model"),
    lookalike::include_model!("../assets/family/1.model"),
    lookalike::include_model!("../assets/family/2.model"),
    lookalike::include_model!("../assets/family/3.model"),
    lookalike::include_model!("../assets/family/4.model"),
];

/// They need more RAM than the micro:bit's workspace.
#[cfg(feature = "microbit")]
pub static FAMILY: [&[u8]; 0] = [];
