//! A few signed values and the inverse of their norm.

use super::kernel::Signed;
use super::sealed::Sealed;
use super::vector::{ORTHOGONAL, cosine, inverse_root};
use super::{Code, from_units, kernel};
use crate::EmbeddingError;

/// Values from -127 to 127 and the inverse of their norm: a [`U8`](super::U8)
/// embedding projected to fewer dimensions, from 1 to 256.
///
/// The first word is r = floor(2^38 / norm), 0 for a zero embedding; value i
/// lies, in two's complement, in byte i mod 4, the lowest first, of word
/// 1 + floor(i / 4). The largest magnitude is 127, unless all values are 0;
/// bytes beyond the last value are 0.
///
/// With the scalar product s of the values of two embeddings, whose first words
/// are r and r', their distance is, in units of 2^-22,
///
/// ```text
/// 2^23 - sign(s) floor((|s| r r' + 2^52) / 2^53)
/// ```
///
/// That is 2 - 2 cos, between 0 and 4. An embedding has the distance 0 to
/// itself; a zero embedding has the distance 2 to everything, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projected {}

/// Values that an embedding has at most.
pub(super) const MAX_VALUES: usize = 256;

/// Both inverse norms are in units of 2^-38, a cosine in 2^-23: 38 + 38 - 23 - 32.
const SHIFT: u32 = 21;

/// The largest magnitude of a value.
pub(super) const LARGEST: u32 = 127;

impl Projected {
    /// Words of an embedding of so many values.
    pub const fn words(outputs: usize) -> usize {
        1 + outputs.div_ceil(4)
    }
}

impl Code for Projected {}

impl Sealed for Projected {
    type Word = u32;

    const NUMBER: u8 = 2;

    const ZERO: u32 = 0;

    fn words(dimension: usize) -> usize {
        Projected::words(dimension)
    }

    fn words_of_model(_: usize, projected_len: Option<usize>) -> Option<usize> {
        projected_len.map(Projected::words)
    }

    fn check(words: &[u32]) -> Result<(), EmbeddingError> {
        let (&inverse_norm, values) = words.split_first().ok_or(EmbeddingError::Code)?;
        if values.len() > MAX_VALUES / 4 {
            return Err(EmbeddingError::Code);
        }
        let largest = bytes(values).map(i8::unsigned_abs).max().unwrap_or_default();
        let whole = largest == 0 || u32::from(largest) == LARGEST;
        if !whole || inverse_norm != inverse_norm_of(values) {
            return Err(EmbeddingError::Code);
        }
        Ok(())
    }

    fn is_padded(words: &[u32], dimension: usize) -> bool {
        bytes(words).skip(4).skip(dimension).all(|byte| byte == 0)
    }

    #[inline(always)]
    fn key(query: &[u32], item: &[u32]) -> u32 {
        let (Some((x, query)), Some((y, item))) = (query.split_first(), item.split_first()) else {
            return ORTHOGONAL;
        };
        rank(kernel::dot::<Signed>(query, item), *x, *y)
    }

    #[inline(always)]
    fn keys(query: &[u32], items: &[u32], mut found: impl FnMut(u32)) {
        let Some((x, query)) = query.split_first() else { return };
        kernel::dots::<Signed>(query, items, |dot, y| found(rank(dot, *x, y)));
    }

    fn distance(key: u32, _: usize) -> f32 {
        from_units(key)
    }

    fn values(words: &[u32]) -> impl ExactSizeIterator<Item = f32> {
        let (inverse_norm, values) = words.split_first().map_or((0, words), |(r, v)| (*r, v));
        let scale = inverse_norm as f32 / (1u64 << 38) as f32;
        bytes(values).map(move |byte| f32::from(byte) * scale)
    }
}

/// The distance of vectors with a scalar product and inverse norms.
#[inline(always)]
fn rank(dot: i32, x: u32, y: u32) -> u32 {
    let cosine = cosine(dot.unsigned_abs(), x, y, SHIFT);
    if dot < 0 { ORTHOGONAL.saturating_add(cosine) } else { ORTHOGONAL.saturating_sub(cosine) }
}

/// The first word of an embedding with these values.
pub(super) fn inverse_norm_of(values: &[u32]) -> u32 {
    inverse_root(kernel::dot::<Signed>(values, values).cast_unsigned(), 76)
}

/// The values, 4 of each word.
fn bytes(values: &[u32]) -> impl ExactSizeIterator<Item = i8> {
    bytemuck::cast_slice::<u32, i8>(values).iter().copied()
}
