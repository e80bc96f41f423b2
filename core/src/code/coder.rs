//! From [`U8`] embeddings to the smaller codes.

use core::fmt;

use super::projected::{self, Projected};
use super::vector::Scale;
use super::{Binary, TwoStage, U8, signs};
use crate::Embedding;
use crate::chunks::chunks;

/// What turns the [`U8`] embeddings of one model into the smaller codes, learned
/// from the embeddings of training images: a threshold for each dimension, for
/// bits, and a projection, which makes bits as well. Either may be missing.
///
/// Below, x_i are the values of an embedding and r is its first word,
/// floor(2^39 / |x|).
///
/// # Bits
/// A threshold t_i is in units of 2^-16 of the norm: bit i says whether
/// x_i / |x| > t_i / 2^16, in integers
///
/// ```text
/// x_i floor(r / 2^8) > 2^15 t_i
/// ```
///
/// of which both sides are at most 2^31.
///
/// Without thresholds, but with a projection, bits say on which side of many
/// hyperplanes the projected embedding lies: with its values v_j, signs f_bj that
/// are always the same, and H the least power of two that is not below the
/// number of outputs, bit b H + i says whether
///
/// ```text
/// sum over j of (-1)^(number of ones in i AND j) f_bj v_j > 0
/// ```
///
/// # Projection
/// With weights W of outputs x dimension, from -127 to 127, and offsets b in
/// units of 2^-15, at most 2^30 in magnitude, output j is
///
/// ```text
/// s_j = sum over i of W_ji x_i
/// y_j = floor(s_j r / 2^24) - b_j
/// ```
///
/// so y_j is that of W x / |x| - b in units of 2^-15: below 2^31 in magnitude.
/// If m is the mean of the embeddings after normalising, b_j = round(2^15 W_j m)
/// centres the outputs. Then all y are scaled so that the largest magnitude
/// becomes 127. With Y the largest |y|, h the least number of bits for
/// floor(Y / 2^h) < 2^16, and f = floor(127 2^24 / floor(Y / 2^h)), value j is
///
/// ```text
/// sign(y_j) floor((floor(|y_j| / 2^h) f + 2^23) / 2^24)
/// ```
///
/// A zero embedding, and one whose y are all 0, becomes a zero embedding.
#[derive(Clone, Copy, Debug)]
pub struct Coder<'a> {
    dimension: usize,
    thresholds: &'a [u16],
    weights: &'a [i8],
    offsets: &'a [i32],
}

/// Why there is no coder of these parameters, or no code of this embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CodeError {
    /// The coder has neither thresholds nor a projection.
    NoThresholds,
    /// The coder has no projection.
    NoProjection,
    /// There is not one threshold for each dimension, none at all excepted.
    Thresholds,
    /// The weights are not outputs x dimension, there are more than 256
    /// outputs, or a weight or an offset is out of its range.
    Projection,
    /// The embedding has another number of words than the coder's dimension needs.
    Embedding {
        /// Words of the coder's embeddings.
        expected: usize,
        /// Words given.
        found: usize,
    },
    /// The memory for the code has another length than the code.
    Words {
        /// Words of the code.
        needed: usize,
        /// Words given.
        found: usize,
    },
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeError::NoThresholds => f.write_str(
                "the model has neither thresholds nor a projection, one of which binary codes need",
            ),
            CodeError::NoProjection => f.write_str("the model has no projection"),
            CodeError::Thresholds => {
                f.write_str("there must be one threshold for each dimension, or none")
            }
            CodeError::Projection => f.write_str(
                "the projection's weights must be outputs x dimension, for at most 256 outputs, \
                 each from -127 to 127, and its offsets at most 2^30",
            ),
            CodeError::Embedding { expected, found } => {
                write!(f, "the coder takes embeddings of {expected} words, not {found}")
            }
            CodeError::Words { needed, found } => {
                write!(f, "the code takes {needed} words, not {found}")
            }
        }
    }
}

impl core::error::Error for CodeError {}

/// An offset's largest magnitude.
const MAX_OFFSET: u32 = 1 << 30;

impl<'a> Coder<'a> {
    /// A coder of embeddings of `dimension` values, from `thresholds` for each
    /// of them or none, and from `weights` of `[output][dimension]` and
    /// `offsets` for each output, or none.
    ///
    /// # Errors
    /// [`CodeError::Thresholds`] and [`CodeError::Projection`].
    pub fn new(
        dimension: usize,
        thresholds: &'a [u16],
        weights: &'a [i8],
        offsets: &'a [i32],
    ) -> Result<Coder<'a>, CodeError> {
        if !thresholds.is_empty() && thresholds.len() != dimension {
            return Err(CodeError::Thresholds);
        }
        if offsets.len() > projected::MAX_VALUES
            || offsets.len().checked_mul(dimension) != Some(weights.len())
            || weights.contains(&i8::MIN)
            || offsets.iter().any(|offset| offset.unsigned_abs() > MAX_OFFSET)
        {
            return Err(CodeError::Projection);
        }
        Ok(Coder { dimension, thresholds, weights, offsets })
    }

    /// Values of the embeddings that are coded.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Values of a projected embedding; 0 without a projection.
    pub const fn outputs(&self) -> usize {
        self.offsets.len()
    }

    /// The thresholds; none if there are none.
    pub const fn thresholds(&self) -> &'a [u16] {
        self.thresholds
    }

    /// The projection's weights, `[output][dimension]`.
    pub const fn weights(&self) -> &'a [i8] {
        self.weights
    }

    /// The projection's offsets.
    pub const fn offsets(&self) -> &'a [i32] {
        self.offsets
    }

    /// The projection of an embedding. `words` are all written.
    ///
    /// # Errors
    /// [`CodeError::NoProjection`]; [`CodeError::Embedding`] for another model's
    /// embedding; [`CodeError::Words`] unless there are [`Projected::words`] of
    /// [`Coder::outputs`].
    pub fn project<'w>(
        &self,
        embedding: &Embedding<'_, U8>,
        words: &'w mut [u32],
    ) -> Result<Embedding<'w, Projected>, CodeError> {
        if self.offsets.is_empty() {
            return Err(CodeError::NoProjection);
        }
        let (inverse_norm, values) = self.parts(embedding)?;
        check_words(Projected::words(self.outputs()), words)?;
        words.fill(0);
        // A zero embedding has no direction.
        if inverse_norm != 0
            && let Some((code_norm, code)) = words.split_first_mut()
        {
            // The outputs are not kept: they are computed once for the scale,
            // and once more for the values.
            let outputs = || self.outputs_of(inverse_norm, values);
            let largest = outputs().map(i32::unsigned_abs).max().unwrap_or_default();
            let scale = Scale::new(largest, projected::LARGEST);
            let mut outputs = outputs();
            for word in code.iter_mut() {
                for (lane, output) in outputs.by_ref().take(4).enumerate() {
                    let magnitude = scale.apply(output.unsigned_abs());
                    let value = if output < 0 { magnitude.wrapping_neg() } else { magnitude };
                    *word |= (value & 255) << (8 * lane);
                }
            }
            *code_norm = projected::inverse_norm_of(code);
        }
        Ok(Embedding::from_words(words))
    }

    /// The bits of an embedding. `words` are all written.
    ///
    /// # Errors
    /// [`CodeError::NoThresholds`]; [`CodeError::Embedding`] for another model's
    /// embedding; [`CodeError::Words`] unless there are [`Binary::words`] of
    /// [`Coder::dimension`].
    pub fn binarize<'w>(
        &self,
        embedding: &Embedding<'_, U8>,
        words: &'w mut [u32],
    ) -> Result<Embedding<'w, Binary>, CodeError> {
        check_words(Binary::words(self.dimension), words)?;
        self.write_bits(embedding, words)?;
        Ok(Embedding::from_words(words))
    }

    /// The bits of an embedding, and the embedding. `words` are all written.
    ///
    /// # Errors
    /// [`CodeError::NoThresholds`]; [`CodeError::Embedding`] for another model's
    /// embedding; [`CodeError::Words`] unless there are [`TwoStage::words`] of
    /// [`Coder::dimension`].
    pub fn two_stage<'w>(
        &self,
        embedding: &Embedding<'_, U8>,
        words: &'w mut [u32],
    ) -> Result<Embedding<'w, TwoStage>, CodeError> {
        check_words(TwoStage::words(self.dimension), words)?;
        let (bits, rest) =
            words.split_at_mut_checked(Binary::words(self.dimension)).unwrap_or_default();
        self.write_bits(embedding, bits)?;
        for (to, from) in rest.iter_mut().zip(embedding.as_slice()) {
            *to = *from;
        }
        Ok(Embedding::from_words(words))
    }

    fn write_bits(
        &self,
        embedding: &Embedding<'_, U8>,
        words: &mut [u32],
    ) -> Result<(), CodeError> {
        if self.thresholds.is_empty() {
            return self.write_signs(embedding, words);
        }
        let (inverse_norm, values) = self.parts(embedding)?;
        let inverse_norm = inverse_norm >> 8;
        for (word, (values, thresholds)) in
            words.iter_mut().zip(values.chunks(32).zip(self.thresholds.chunks(32)))
        {
            *word = 0;
            for (bit, (value, threshold)) in values.iter().zip(thresholds).enumerate() {
                let value = u32::from(*value).wrapping_mul(inverse_norm);
                *word |= u32::from(value > u32::from(*threshold) << 15) << bit;
            }
        }
        Ok(())
    }

    /// The bits of the projected embedding.
    fn write_signs(
        &self,
        embedding: &Embedding<'_, U8>,
        words: &mut [u32],
    ) -> Result<(), CodeError> {
        let mut projected = [0; Projected::words(projected::MAX_VALUES)];
        let projected = projected.get_mut(..Projected::words(self.outputs())).unwrap_or_default();
        let projected = match self.project(embedding, projected) {
            Err(CodeError::NoProjection) => return Err(CodeError::NoThresholds),
            projected => projected?,
        };
        let values = projected.as_slice().get(1..).unwrap_or_default();
        let values = bytemuck::cast_slice(values).get(..self.outputs()).unwrap_or_default();
        words.fill(0);
        signs::for_each_bit(values, self.dimension, |bit| {
            if let Some(word) = words.get_mut(bit / 32) {
                *word |= 1 << (bit % 32);
            }
        });
        Ok(())
    }

    /// The outputs y of an embedding.
    fn outputs_of(&self, inverse_norm: u32, values: &[u8]) -> impl Iterator<Item = i32> {
        let rows = chunks(self.weights, self.dimension);
        rows.zip(self.offsets).map(move |(weights, offset)| {
            let products = weights.iter().zip(values).map(|(w, x)| i32::from(*w) * i32::from(*x));
            let sum = products.fold(0, i32::wrapping_add);
            let scaled = i64::from(sum).wrapping_mul(i64::from(inverse_norm)) >> 24;
            (scaled as i32).wrapping_sub(*offset)
        })
    }

    /// The first word and the values of an embedding.
    fn parts<'e>(&self, embedding: &Embedding<'e, U8>) -> Result<(u32, &'e [u8]), CodeError> {
        let words = embedding.as_slice();
        let (expected, found) = (U8::words(self.dimension), words.len());
        let error = CodeError::Embedding { expected, found };
        if found != expected {
            return Err(error);
        }
        let (inverse_norm, values) = words.split_first().ok_or(error)?;
        let values = bytemuck::cast_slice(values).get(..self.dimension).ok_or(error)?;
        Ok((*inverse_norm, values))
    }
}

fn check_words(needed: usize, words: &[u32]) -> Result<(), CodeError> {
    let found = words.len();
    if found == needed { Ok(()) } else { Err(CodeError::Words { needed, found }) }
}
