//! Quantised parameters.
//!
//! The words of a file's body, of which `docs/model-format.md` gives every
//! byte: a head, the three packed convolutions, the classifier, what makes
//! other codes of embeddings; then the self-test's embeddings.

mod coder;

use super::encoding::sealed::Sealed;
use super::{EmbedError, Encoding, Model, ModelError};
use crate::code::{self, Coder};
pub use crate::forward::int8::Layer;
use crate::forward::int8::{self, Conv, Stage};
use crate::{Embedding, FileError, Network, Packing, QuantizedConv, U8, file};

/// Eight-bit integers, as `docs/int8.md` describes: the embedding has the same
/// bytes on every target and from both packings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Int8 {}

impl Encoding for Int8 {
    type Code = U8;
}

/// The parameters of an [`Int8`] model, to be written.
#[derive(Clone, Copy, Debug)]
pub struct Int8Parameters<'a> {
    /// How the file holds them.
    pub packing: Packing,
    /// The three convolutions.
    pub convs: [QuantizedConv<'a>; 3],
    /// The classifier's weights `[class][feature]`, for features that are the
    /// means of the third convolution's outputs, then its biases; empty
    /// without classes.
    pub classifier: &'a [f32],
    /// What makes other codes of the embeddings, if anything.
    pub coder: Option<Coder<'a>>,
}

/// The parameters of an [`Int8`] model where they lie.
#[derive(Clone, Copy, Debug)]
pub struct PackedInt8<'a> {
    packing: Packing,
    convs: [Conv<'a>; 3],
    classifier: [&'a [f32]; 2],
    coder: Option<Coder<'a>>,
}

impl Packing {
    /// The number in a model file.
    const fn number(self) -> u8 {
        match self {
            Packing::Compact => 1,
            Packing::Fast => 2,
        }
    }

    const fn from_number(number: u8) -> Option<Packing> {
        match number {
            1 => Some(Packing::Compact),
            2 => Some(Packing::Fast),
            _ => None,
        }
    }
}

/// Words before the convolutions: outputs of the projection, 0 without one;
/// number of thresholds; two zeros.
const HEAD: usize = 4;

/// Values of the classifier: weights, then biases.
const fn classifier_len(network: &Network) -> [usize; 2] {
    [network.classes() * network.embedding_len(), network.classes()]
}

/// Words of the three packed convolutions, one after another.
const fn conv_words(network: &Network, packing: Packing) -> [usize; 3] {
    let [first, second, third] = Stage::ALL;
    [
        first.packed_len(network, packing),
        second.packed_len(network, packing),
        third.packed_len(network, packing),
    ]
}

/// Bytes of each layer's parameters in a file of an [`Int8`] model: three
/// convolutions, then the classifier.
pub const fn int8_layer_bytes(network: &Network, packing: Packing) -> [usize; 4] {
    let [a, b, c] = conv_words(network, packing);
    let [weights, biases] = classifier_len(network);
    [4 * a, 4 * b, 4 * c, 4 * (weights + biases)]
}

/// Words of all parameters; `None` if there are more than can be counted.
pub(super) fn int8_file_words(
    network: &Network,
    packing: Packing,
    outputs: usize,
    thresholds: usize,
) -> Option<usize> {
    let layers: usize = int8_layer_bytes(network, packing).iter().sum();
    let sizes = coder::words(network, outputs, thresholds)?;
    sizes.into_iter().try_fold(HEAD + layers / 4, usize::checked_add)
}

impl Sealed for Int8 {
    type Embedded = U8;
    type Word = u32;
    type Plain<'a> = Int8Parameters<'a>;
    type Packed<'a> = PackedInt8<'a>;

    fn number(plain: &Int8Parameters<'_>) -> u8 {
        plain.packing.number()
    }

    fn check(network: &Network, plain: &Int8Parameters<'_>) -> Result<(), ModelError> {
        for (layer, (conv, stage)) in (1..).zip(plain.convs.iter().zip(Stage::ALL)) {
            if stage.channels(network) != [conv.inputs, conv.outputs] || !conv.is_valid() {
                return Err(ModelError::Convolution { layer });
            }
        }
        let [weights, biases] = classifier_len(network);
        let (expected, found) = (weights + biases, plain.classifier.len());
        if found != expected {
            return Err(ModelError::Parameters { expected, found });
        }
        match plain.coder {
            Some(coder) if coder.dimension() != network.embedding_len() => Err(ModelError::Coder),
            _ => all_finite(plain.classifier),
        }
    }

    fn packed_bytes(network: &Network, plain: &Int8Parameters<'_>) -> usize {
        let [outputs, thresholds] = coder::sizes(plain.coder.as_ref());
        4 * int8_file_words(network, plain.packing, outputs, thresholds).unwrap_or_default()
    }

    fn pack(
        network: &Network,
        plain: &Int8Parameters<'_>,
        body: &mut [u8],
    ) -> Result<u32, FileError> {
        let words: &mut [u32] =
            bytemuck::try_cast_slice_mut(body).map_err(|_| FileError::Misaligned)?;
        let (head, mut rest) = words.split_at_mut_checked(HEAD).unwrap_or_default();
        let sizes = coder::sizes(plain.coder.as_ref());
        for (word, size) in head.iter_mut().zip(sizes.into_iter().chain([0, 0])) {
            *word = size as u32;
        }
        for (conv, stage) in plain.convs.iter().zip(Stage::ALL) {
            let len = stage.packed_len(network, plain.packing);
            let (words, after) = rest.split_at_mut_checked(len).unwrap_or_default();
            stage.pack(plain.packing, conv, words);
            rest = after;
        }
        let (classifier, rest) =
            rest.split_at_mut_checked(plain.classifier.len()).unwrap_or_default();
        for (word, value) in classifier.iter_mut().zip(plain.classifier) {
            *word = value.to_bits();
        }
        if let Some(coder) = &plain.coder {
            coder::pack(network, coder, rest);
        }

        // Over the plain parameters, so that it is that of both packings.
        let mut digest = super::identity_digest(Packing::Compact.number(), network);
        for conv in &plain.convs {
            digest.update(bytemuck::cast_slice(conv.weights));
            digest.update(bytemuck::cast_slice(conv.biases));
            digest.update(bytemuck::cast_slice(conv.multipliers));
        }
        if let Some(coder) = &plain.coder {
            digest.update(bytemuck::cast_slice(coder.thresholds()));
            digest.update(bytemuck::cast_slice(coder.offsets()));
            digest.update(bytemuck::cast_slice(coder.weights()));
        }
        Ok(digest.finalize())
    }

    fn open<'a>(
        number: u8,
        network: &Network,
        body: &'a [u8],
    ) -> Result<(PackedInt8<'a>, &'a [u8]), ModelError> {
        let packing = Packing::from_number(number).ok_or(ModelError::Encoding { found: number })?;
        let mut rest: &'a [u32] = file::values(body)?;
        let mut take = |len: usize| -> Result<&'a [u32], ModelError> {
            let (part, after) = rest.split_at_checked(len).ok_or(ModelError::Body)?;
            rest = after;
            Ok(part)
        };
        let &[outputs, thresholds, 0, 0] = take(HEAD)? else {
            return Err(FileError::Malformed.into());
        };
        let [first, second, third] = conv_words(network, packing);
        let packed = [take(first)?, take(second)?, take(third)?];
        let [weights, biases] = classifier_len(network);
        let classifier = [file::cast(take(weights)?), file::cast(take(biases)?)];
        let [outputs, thresholds] = [outputs, thresholds].map(|size| size as usize);
        let sizes = coder::words(network, outputs, thresholds).ok_or(ModelError::Body)?;
        let parts = [take(sizes[0])?, take(sizes[1])?, take(sizes[2])?];
        let coder = coder::open(network, outputs, thresholds, parts)?;

        let mut convs = [Conv { packed: &[], inputs: 0, outputs: 0 }; 3];
        for (layer, ((conv, packed), stage)) in
            (1..).zip(convs.iter_mut().zip(packed).zip(Stage::ALL))
        {
            let [inputs, outputs] = stage.channels(network);
            *conv = Conv { packed, inputs, outputs };
            if !stage.check(packing, conv) {
                return Err(ModelError::Convolution { layer });
            }
        }
        classifier.iter().try_for_each(|values| all_finite(values))?;
        let rest = bytemuck::cast_slice(rest);
        Ok((PackedInt8 { packing, convs, classifier, coder }, rest))
    }

    fn workspace_len(network: &Network, packed: &PackedInt8<'_>) -> usize {
        network.int8_workspace_len(packed.packing)
    }

    fn embed<'w>(
        network: &Network,
        packed: &PackedInt8<'_>,
        image: &[u8],
        workspace: &'w mut [u32],
    ) -> Result<Embedding<'w, U8>, EmbedError> {
        embed(network, packed, image, workspace, &mut |_| {})
    }

    fn classifier<'a, 'w>(
        network: &Network,
        packed: &'a PackedInt8<'_>,
        image: &[u8],
        workspace: &'w mut [u32],
    ) -> Result<([&'a [f32]; 2], &'w [f32]), EmbedError> {
        let (_, means) =
            int8::means(network, packed.packing, packed.convs, image, workspace, &mut |_| {})?;
        Ok((packed.classifier, to_values(means)))
    }

    fn projected_len(packed: &PackedInt8<'_>) -> Option<usize> {
        packed.coder.map(|coder| coder.outputs()).filter(|&outputs| outputs != 0)
    }

    fn embedding_words(network: &Network) -> usize {
        U8::words(network.embedding_len())
    }

    fn is_embedding(words: &[u32]) -> bool {
        Embedding::<U8>::from_slice(words).is_ok()
    }

    fn difference(found: &[u32], expected: &[u32]) -> Option<f32> {
        if found == expected {
            return None;
        }
        // The first word is not a value.
        let pairs = found.iter().skip(1).zip(expected.iter().skip(1));
        let largest = pairs
            .flat_map(|(a, b)| a.to_le_bytes().into_iter().zip(b.to_le_bytes()))
            .map(|(a, b)| a.abs_diff(b))
            .max();
        Some(f32::from(largest.unwrap_or_default()))
    }
}

fn embed<'w>(
    network: &Network,
    packed: &PackedInt8<'_>,
    image: &[u8],
    workspace: &'w mut [u32],
    observe: &mut impl FnMut(Layer),
) -> Result<Embedding<'w, U8>, EmbedError> {
    let PackedInt8 { packing, convs, .. } = *packed;
    let (front, means) = int8::means(network, packing, convs, image, workspace, observe)?;
    let words = front.get_mut(..U8::words(means.len())).unwrap_or_default();
    code::encode_means(means, words);
    observe(Layer::Embedding);
    Ok(Embedding::from_words(words))
}

/// Means with 24 fractional bits as floating-point numbers, in place.
fn to_values(means: &mut [u32]) -> &[f32] {
    const UNIT: f32 = 1.0 / (1 << 24) as f32;
    for mean in means.iter_mut() {
        *mean = (*mean as f32 * UNIT).to_bits();
    }
    file::cast(means)
}

fn all_finite(values: &[f32]) -> Result<(), ModelError> {
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(ModelError::NotFinite) }
}

impl<'a> Model<'a, Int8> {
    /// How the file holds the parameters.
    pub const fn packing(&self) -> Packing {
        self.parameters.packing
    }

    /// The means of the third convolution's outputs over the grid's cells, from
    /// 0 to 255, in the order of an embedding's values: what the embedding
    /// rounds to bytes.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub fn means<'w>(
        &self,
        image: &[u8],
        workspace: &'w mut [u32],
    ) -> Result<&'w [f32], EmbedError> {
        let (_, means) = Int8::classifier(&self.network, &self.parameters, image, workspace)?;
        Ok(means)
    }

    /// Embeds an image as [`Model::embed`] does, and calls `observe` after each
    /// piece of a layer's work, so that firmware can count what each layer
    /// takes. The layers take turns: a convolution works on a few rows at a time.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub fn embed_observed<'w>(
        &self,
        image: &[u8],
        workspace: &'w mut [u32],
        mut observe: impl FnMut(Layer),
    ) -> Result<Embedding<'w, U8>, EmbedError> {
        embed(&self.network, &self.parameters, image, workspace, &mut observe)
    }

    /// What makes other codes of the embeddings, if the file has it.
    pub const fn coder(&self) -> Option<Coder<'a>> {
        self.parameters.coder
    }

    /// The classifier, as [`Int8Parameters::classifier`].
    pub const fn classifier(&self) -> [&'a [f32]; 2] {
        self.parameters.classifier
    }

    /// Copies a convolution's parameters, 0 to 2, into slices of the lengths
    /// that [`QuantizedConv`] states.
    ///
    /// # Errors
    /// [`ModelError::Convolution`] if there is no such layer or a length is
    /// another.
    pub fn copy_convolution(
        &self,
        index: usize,
        weights: &mut [i8],
        biases: &mut [i32],
        multipliers: &mut [u32],
    ) -> Result<(), ModelError> {
        let wrong = ModelError::Convolution { layer: index.saturating_add(1) };
        let (conv, stage) = self.parameters.convs.iter().zip(Stage::ALL).nth(index).ok_or(wrong)?;
        let lengths = [9 * conv.inputs * conv.outputs, conv.outputs, conv.outputs];
        if lengths != [weights.len(), biases.len(), multipliers.len()] {
            return Err(wrong);
        }
        stage.unpack(self.parameters.packing, conv, weights, biases, multipliers);
        Ok(())
    }
}
