//! Parameters as 32-bit floating-point numbers.

mod packing;

use super::encoding::sealed::Sealed;
use super::{EmbedError, Encoding, Model, ModelError, SELF_TEST_TOLERANCE};
use crate::forward::float;
use crate::{Embedding, FileError, Network, file};

/// 32-bit floating-point numbers, as the encoding of a model's parameters and
/// as the [code](crate::code) of embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum F32 {}

impl Encoding for F32 {
    type Code = F32;
}

/// The number in a model file.
const NUMBER: u8 = 0;

impl Sealed for F32 {
    type Embedded = F32;
    type Word = f32;
    /// The flat vector that [`Network::tensors`] describes.
    type Plain<'a> = &'a [f32];
    type Packed<'a> = &'a [f32];

    fn number(_: &&[f32]) -> u8 {
        NUMBER
    }

    fn check(network: &Network, parameters: &&[f32]) -> Result<(), ModelError> {
        let (expected, found) = (network.parameters(), parameters.len());
        if found != expected {
            return Err(ModelError::Parameters { expected, found });
        }
        all_finite(parameters)
    }

    fn packed_bytes(network: &Network, _: &&[f32]) -> usize {
        4 * packing::len(network)
    }

    fn pack(network: &Network, parameters: &&[f32], body: &mut [u8]) -> Result<u32, FileError> {
        packing::pack(network, parameters, body);
        // Over the packed convolutions: a classifier does not change it.
        let mut digest = super::identity_digest(NUMBER, network);
        digest.update(body.get(..4 * packing::embedding_part(network)).unwrap_or_default());
        Ok(digest.finalize())
    }

    fn open<'a>(
        number: u8,
        network: &Network,
        body: &'a [u8],
    ) -> Result<(&'a [f32], &'a [u8]), ModelError> {
        if number != NUMBER {
            return Err(ModelError::Encoding { found: number });
        }
        let parts = body.split_at_checked(4 * packing::len(network));
        let (parameters, rest) = parts.ok_or(ModelError::Body)?;
        let values = file::values(parameters)?;
        all_finite(values)?;
        Ok((values, rest))
    }

    fn workspace_len(network: &Network, _: &&[f32]) -> usize {
        network.workspace_len()
    }

    fn embed<'w>(
        network: &Network,
        packed: &&[f32],
        image: &[u8],
        workspace: &'w mut [f32],
    ) -> Result<Embedding<'w>, EmbedError> {
        let (convs, _) = packing::views(network, packed);
        let features = float::features(network, convs, image, workspace)?;
        Ok(Embedding::normalize(features)?)
    }

    fn classifier<'a, 'w>(
        network: &Network,
        packed: &'a &[f32],
        image: &[u8],
        workspace: &'w mut [f32],
    ) -> Result<([&'a [f32]; 2], &'w [f32]), EmbedError> {
        let (convs, classifier) = packing::views(network, packed);
        Ok((classifier, float::features(network, convs, image, workspace)?))
    }

    fn projected_len(_: &&[f32]) -> Option<usize> {
        None
    }

    fn embedding_words(network: &Network) -> usize {
        network.embedding_len()
    }

    fn is_embedding(words: &[f32]) -> bool {
        words.iter().all(|value| value.is_finite())
    }

    fn difference(found: &[f32], expected: &[f32]) -> Option<f32> {
        let mut difference = 0.0f32;
        for (a, b) in found.iter().zip(expected) {
            difference = difference.max((a - b).abs());
        }
        (difference > SELF_TEST_TOLERANCE).then_some(difference)
    }
}

fn all_finite(values: &[f32]) -> Result<(), ModelError> {
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(ModelError::NotFinite) }
}

impl Model<'_, F32> {
    /// Copies the parameters, bit for bit, into the flat vector that
    /// [`Network::tensors`] describes.
    ///
    /// # Errors
    /// [`ModelError::Parameters`] if `out` has another length than there are
    /// parameters.
    pub fn copy_parameters(&self, out: &mut [f32]) -> Result<(), ModelError> {
        let (expected, found) = (self.network.parameters(), out.len());
        if found != expected {
            return Err(ModelError::Parameters { expected, found });
        }
        packing::unpack(&self.network, self.parameters, out);
        Ok(())
    }
}

/// Bytes of each layer's parameters in a file of this encoding: three
/// convolutions, then the classifier.
pub const fn layer_bytes(network: &Network) -> [usize; 4] {
    packing::layer_bytes(network)
}
