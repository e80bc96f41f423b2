//! One bit a value.

use super::sealed::Sealed;
use super::{Code, UNITS, from_units, kernel};
use crate::EmbeddingError;

/// One bit a value: whether it exceeds the threshold of its dimension, which a
/// [`Coder`](super::Coder) has learned.
///
/// Bit i is bit i mod 32, the lowest first, of word floor(i / 32); bits beyond
/// the last value are 0.
///
/// The distance of embeddings of w words that differ in h bits is, in units of
/// 2^-22,
///
/// ```text
/// h floor(2^19 / w)
/// ```
///
/// That is 4 h / (32 w), from 0 to 4: the squared Euclidean distance of the
/// bits taken as 1 and -1, after normalising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {}

impl Binary {
    /// Words of an embedding of so many values.
    pub const fn words(dimension: usize) -> usize {
        dimension.div_ceil(32)
    }
}

impl Code for Binary {}

impl Sealed for Binary {
    type Word = u32;

    const NUMBER: u8 = 3;

    const ZERO: u32 = 0;

    fn words(dimension: usize) -> usize {
        Binary::words(dimension)
    }

    /// Any bits are an embedding.
    fn check(_: &[u32]) -> Result<(), EmbeddingError> {
        Ok(())
    }

    fn is_padded(words: &[u32], dimension: usize) -> bool {
        let used = dimension % 32;
        used == 0 || words.last().is_none_or(|last| last >> used == 0)
    }

    #[inline(always)]
    fn key(query: &[u32], item: &[u32]) -> u32 {
        kernel::hamming(query, item)
    }

    fn distance(key: u32, words: usize) -> f32 {
        // 4 / 32 of a unit's 2^22.
        let unit = (UNITS / 8).checked_div(words as u32).unwrap_or_default();
        from_units(key.wrapping_mul(unit))
    }

    fn values(words: &[u32]) -> impl ExactSizeIterator<Item = f32> {
        let one = 1.0 / libm::sqrtf(32.0 * words.len().max(1) as f32);
        let bytes = bytemuck::cast_slice::<u32, u8>(words);
        (0..32 * words.len()).map(move |i| {
            let byte = bytes.get(i / 8).copied().unwrap_or_default();
            if byte >> (i % 8) & 1 == 1 { one } else { -one }
        })
    }
}
