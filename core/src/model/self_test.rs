//! A check, on the device, that the model computes what it computed on the
//! desktop: it finds a wrong compiler flag, a broken flash or a wrong FPU mode
//! before a user does.

use core::fmt;

use super::{EmbedError, Encoding, F32, Model, ModelError};
use crate::Network;
use crate::chunks::chunks;

/// Images and their embeddings, kept in the model file.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelfTest<'a, E: Encoding = F32> {
    /// The images, one after another, each channels-last.
    pub images: &'a [u8],
    /// Their embeddings' words, one after another.
    pub embeddings: &'a [E::Word],
}

/// Largest difference of a value that the self-test of an [`F32`] model lets
/// pass: more than fused against separate multiplication and addition makes.
/// An [`Int8`](super::Int8) model's must not differ at all.
pub const SELF_TEST_TOLERANCE: f32 = 1e-5;

/// Why a self-test failed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SelfTestError {
    /// The model has no images for a self-test.
    Missing,
    /// An image could not be embedded.
    Embed(EmbedError),
    /// An embedding is not the one in the file.
    Differs {
        /// Which of the images, counted from 0.
        image: usize,
        /// The largest difference of a value; of integer values from 1 to 255.
        difference: f32,
    },
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelfTestError::Missing => f.write_str("the model has no images for a self-test"),
            SelfTestError::Embed(error) => error.fmt(f),
            SelfTestError::Differs { image, difference } => {
                // Formatting a float links code that can panic.
                let millionths = (difference * 1e6) as u32;
                write!(
                    f,
                    "the embedding of self-test image {image} is off by {millionths} millionths"
                )
            }
        }
    }
}

impl core::error::Error for SelfTestError {}

impl<E: Encoding> SelfTest<'_, E> {
    /// As many embeddings as images.
    pub(super) fn check(&self, network: &Network) -> Result<(), ModelError> {
        let (image, embedding) = (network.input().len().max(1), E::embedding_words(network).max(1));
        let fits = self.images.len().is_multiple_of(image)
            && (self.images.len() / image).checked_mul(embedding) == Some(self.embeddings.len())
            && chunks(self.embeddings, embedding).all(E::is_embedding);
        if fits { Ok(()) } else { Err(ModelError::SelfTest) }
    }
}

impl<E: Encoding> Model<'_, E> {
    /// Number of images that [`Model::self_test`] embeds.
    pub fn self_test_len(&self) -> usize {
        chunks(self.self_test.images, self.network.input().len()).count()
    }

    /// Embeds the images that the file keeps for this and compares the
    /// embeddings with those kept beside them; gives the number of images.
    ///
    /// # Errors
    /// [`SelfTestError::Missing`] if the file keeps none;
    /// [`SelfTestError::Differs`] if a value is off by more than
    /// [`SELF_TEST_TOLERANCE`], or at all in an [`Int8`](super::Int8) model;
    /// [`SelfTestError::Embed`] as [`Model::embed`].
    pub fn self_test(&self, workspace: &mut [E::Word]) -> Result<usize, SelfTestError> {
        let images = chunks(self.self_test.images, self.network.input().len());
        let embeddings = chunks(self.self_test.embeddings, E::embedding_words(&self.network));
        let mut count = 0;
        for (image, expected) in images.zip(embeddings) {
            let found = self.embed(image, workspace).map_err(SelfTestError::Embed)?;
            if let Some(difference) = E::difference(found.as_slice(), expected) {
                return Err(SelfTestError::Differs { image: count, difference });
            }
            count += 1;
        }
        if count == 0 { Err(SelfTestError::Missing) } else { Ok(count) }
    }
}
