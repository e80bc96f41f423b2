//! A check, on the device, that the model computes what it computed on the
//! desktop: it finds a wrong compiler flag, a broken flash or a wrong FPU mode
//! before a user does.

use core::fmt;

use super::{EmbedError, F32, Model};
use crate::chunks::chunks;

/// Images and their embeddings, kept in the model file.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelfTest<'a> {
    /// The images, one after another, each channels-last.
    pub images: &'a [u8],
    /// Their embeddings, one after another.
    pub embeddings: &'a [f32],
}

/// Largest difference of a value that the self-test of an [`F32`] model lets
/// pass: more than fused against separate multiplication and addition makes.
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
        /// The largest difference of a value.
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

impl Model<'_, F32> {
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
    /// [`SELF_TEST_TOLERANCE`]; [`SelfTestError::Embed`] as [`Model::embed`].
    pub fn self_test(&self, workspace: &mut [f32]) -> Result<usize, SelfTestError> {
        let images = chunks(self.self_test.images, self.network.input().len());
        let embeddings = chunks(self.self_test.embeddings, self.network.embedding_len());
        let mut count = 0;
        for (image, expected) in images.zip(embeddings) {
            let found = self.embed(image, workspace).map_err(SelfTestError::Embed)?;
            let mut difference = 0.0f32;
            for (a, b) in found.as_slice().iter().zip(expected) {
                difference = difference.max((a - b).abs());
            }
            if difference > SELF_TEST_TOLERANCE {
                return Err(SelfTestError::Differs { image: count, difference });
            }
            count += 1;
        }
        if count == 0 { Err(SelfTestError::Missing) } else { Ok(count) }
    }
}
