//! Values from 0 to 255 and the inverse of their norm.

use super::kernel::Unsigned;
use super::sealed::Sealed;
use super::vector::{ORTHOGONAL, Scale, cosine, inverse_root};
use super::{Code, CodeError, from_units, kernel};
use crate::{Embedding, EmbeddingError};

/// Values from 0 to 255 and the inverse of their norm: the embedding of a
/// quantised model, for which nothing is lost.
///
/// The first word is r = floor(2^39 / norm), 0 for a zero embedding; value i lies
/// in byte i mod 4, the lowest first, of word 1 + floor(i / 4). The largest
/// value is 255, unless all are 0; bytes beyond the last value are 0. There are
/// at most 32,768 values.
///
/// With the scalar product s of the values of two embeddings, whose first words
/// are r and r', their distance is, in units of 2^-22,
///
/// ```text
/// 2^23 - floor((s r r' + 2^54) / 2^55)
/// ```
///
/// That is 2 - 2 cos, between 0 and 2. An embedding of fewer than 4,000 values has the
/// distance 0 to itself, longer ones at most 2^-22. A zero embedding has the
/// distance 2 to everything, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum U8 {}

/// Words of values that an embedding has at most, 4 in each: the sum of
/// products stays below 2^31.
const MAX_WORDS: usize = 8192;

/// Both inverse norms are in units of 2^-39, a cosine in 2^-23: 39 + 39 - 23 - 32.
const SHIFT: u32 = 23;

impl U8 {
    /// Words of an embedding of so many values.
    pub const fn words(dimension: usize) -> usize {
        1 + dimension.div_ceil(4)
    }

    /// Codes an [`F32`](crate::F32) embedding: value i is round(255 x_i / max x),
    /// 0 where that is negative. `words` are all written.
    ///
    /// # Errors
    /// [`CodeError::Words`] unless there are [`U8::words`] of them.
    pub fn encode<'w>(
        embedding: &Embedding<'_>,
        words: &'w mut [u32],
    ) -> Result<Embedding<'w, U8>, CodeError> {
        let source = embedding.as_slice();
        let (needed, found) = (U8::words(source.len()), words.len());
        if found != needed {
            return Err(CodeError::Words { needed, found });
        }
        words.fill(0);
        let largest = source.iter().fold(0.0f32, |largest, &x| largest.max(x));
        // Smaller ones are those of no image, and their inverse may be infinite.
        if largest > 1e-30
            && let Some((inverse_norm, values)) = words.split_first_mut()
        {
            let factor = 255.0 / largest;
            let squares = fill(values, source, |x| ((x * factor + 0.5) as u32).min(255));
            *inverse_norm = inverse_root(squares, 78);
        }
        Ok(Embedding::from_words(words))
    }
}

impl Code for U8 {}

impl Sealed for U8 {
    type Word = u32;

    const NUMBER: u8 = 1;

    const ZERO: u32 = 0;

    fn words(dimension: usize) -> usize {
        U8::words(dimension)
    }

    fn check(words: &[u32]) -> Result<(), EmbeddingError> {
        let (&inverse_norm, values) = words.split_first().ok_or(EmbeddingError::Code)?;
        if values.len() > MAX_WORDS {
            return Err(EmbeddingError::Code);
        }
        let largest = bytes(values).max().unwrap_or_default();
        let squares = kernel::dot::<Unsigned>(values, values);
        let whole = largest == 0 || largest == u8::MAX;
        if !whole || inverse_norm != inverse_root(squares, 78) {
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
        rank(kernel::dot::<Unsigned>(query, item), *x, *y)
    }

    #[inline(always)]
    fn keys(query: &[u32], items: &[u32], mut found: impl FnMut(u32)) {
        let Some((x, query)) = query.split_first() else { return };
        kernel::dots::<Unsigned>(query, items, |dot, y| found(rank(dot, *x, y)));
    }

    fn distance(key: u32, _: usize) -> f32 {
        from_units(key)
    }

    fn values(words: &[u32]) -> impl ExactSizeIterator<Item = f32> {
        let (inverse_norm, values) = words.split_first().map_or((0, words), |(r, v)| (*r, v));
        let scale = inverse_norm as f32 / (1u64 << 39) as f32;
        bytes(values).map(move |byte| f32::from(byte) * scale)
    }
}

/// The distance of vectors with a scalar product and inverse norms.
#[inline(always)]
fn rank(dot: u32, x: u32, y: u32) -> u32 {
    ORTHOGONAL.saturating_sub(cosine(dot, x, y, SHIFT))
}

/// The values, 4 of each word.
fn bytes(values: &[u32]) -> impl ExactSizeIterator<Item = u8> {
    bytemuck::cast_slice::<u32, u8>(values).iter().copied()
}

/// Writes the bytes of `source` and gives the sum of their squares.
#[inline(always)]
fn fill<T: Copy>(words: &mut [u32], source: &[T], byte: impl Fn(T) -> u32) -> u32 {
    let mut squares = 0u32;
    for (word, source) in words.iter_mut().zip(source.chunks(4)) {
        let mut packed = 0;
        for value in source.iter().rev() {
            let value = byte(*value);
            squares = squares.wrapping_add(value.wrapping_mul(value));
            packed = packed << 8 | value;
        }
        *word = packed;
    }
    squares
}

/// Writes the code of non-negative `means`, which are of any common scale:
/// `round(255 mean / largest mean)`, as the integers below round it.
///
/// Means are shifted right until the largest is below 2^16. All are zero: so is
/// the code.
pub(crate) fn encode_means(means: &[u32], code: &mut [u32]) {
    code.fill(0);
    let Some((inverse_norm, values)) = code.split_first_mut() else { return };
    let largest = means.iter().copied().max().unwrap_or_default();
    let scale = Scale::new(largest, 255);
    *inverse_norm = inverse_root(fill(values, means, |mean| scale.apply(mean)), 78);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mean_becomes_255() {
        let mut code = [7; 3];
        encode_means(&[1004, 2000, 0, 500, 3], &mut code);
        let values = u32::from_le_bytes([128, 255, 0, 64]);
        let squares = 128f64.powi(2) + 255f64.powi(2) + 64f64.powi(2);
        let inverse_norm = (2f64.powi(39) / squares.sqrt()) as u32;
        assert_eq!(code, [inverse_norm, values, 0]);
    }

    #[test]
    fn zero_means_give_a_zero_code() {
        let mut code = [7; 2];
        encode_means(&[0; 4], &mut code);
        assert_eq!(code, [0; 2]);
    }

    #[test]
    fn the_scale_hardly_matters() {
        let (mut small, mut large) = ([0; 3], [0; 3]);
        let means = [17u32, 254, 255, 60, 9, 0, 1, 128];
        encode_means(&means, &mut small);
        encode_means(&means.map(|mean| mean << 24), &mut large);
        assert_eq!(small, large);
    }
}
