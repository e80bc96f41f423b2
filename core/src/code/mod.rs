//! How embeddings are coded: the values of one embedding are a fixed number of
//! words of 4 bytes, in a gallery, in a file and in flash.
//!
//! | code | words of an embedding of n values | bytes for n = 256 |
//! |---|---|---|
//! | [`F32`] | its values: n | 1024 |
//! | [`U8`] | its inverse norm, then its values, four a word: 1 + n/4 | 260 |
//! | [`Projected`] | the same of n' values, fewer than n, with a sign | 36 for n' = 32 |
//! | [`Binary`] | one bit a value: n/32 | 32 |
//! | [`TwoStage`] | [`Binary`]'s, then [`U8`]'s | 292 |
//!
//! Every distance is the squared Euclidean distance of two vectors of unit
//! length, 2 - 2 cos, from 0 to 4. With integer codes it is found by integers
//! alone, the same on every processor, as a whole number of units of 2^-22,
//! which `f32` represents exactly.
//!
//! A quantised model gives [`U8`] embeddings. A [`Coder`], which comes with the
//! model, makes the smaller codes of them; [`U8::encode`] makes a [`U8`]
//! embedding of an [`F32`] one.

mod binary;
mod coder;
mod kernel;
mod projected;
mod signs;
mod two_stage;
mod u8;
mod vector;

use crate::{EmbeddingError, F32, squared_distance};
pub use binary::Binary;
pub use coder::{CodeError, Coder};
pub use projected::Projected;
pub use two_stage::TwoStage;
pub use u8::U8;
pub(crate) use u8::encode_means;

pub(crate) mod sealed {
    use core::fmt::Debug;

    use super::*;
    use crate::chunks::chunks;

    pub trait Sealed: Copy + Debug + PartialEq {
        /// What an embedding is made of: `f32`, or `u32` for integer codes.
        type Word: bytemuck::Pod + Debug + Default + PartialEq;

        /// The number that stands for this code in a file.
        const NUMBER: u8;

        /// A word of zeros.
        const ZERO: Self::Word;

        /// Items that a gallery's search ranks by [`Sealed::key`], the nearest
        /// by [`Sealed::rough_keys`]; 0: all.
        const SHORTLIST: usize = 0;

        /// Words of an embedding of so many values.
        fn words(dimension: usize) -> usize;

        /// Words of an embedding that is made of a model's, which has so many
        /// values, or so many once projected; `None` if that is not known.
        fn words_of_model(embedding_len: usize, _projected_len: Option<usize>) -> Option<usize> {
            Some(Self::words(embedding_len))
        }

        /// Whether words are an embedding: then no arithmetic overflows.
        fn check(words: &[Self::Word]) -> Result<(), EmbeddingError>;

        /// Whether what lies behind the last value is 0.
        fn is_padded(words: &[Self::Word], dimension: usize) -> bool;

        /// What an item is ranked by; the less, the nearer.
        fn key(query: &[Self::Word], item: &[Self::Word]) -> u32;

        /// The keys of items that lie one after another.
        #[inline(always)]
        fn keys(query: &[Self::Word], items: &[Self::Word], mut found: impl FnMut(u32)) {
            for item in chunks(items, query.len()) {
                found(Self::key(query, item));
            }
        }

        /// As [`Sealed::keys`], but quicker to find, and not the order asked for.
        #[inline(always)]
        fn rough_keys(query: &[Self::Word], items: &[Self::Word], found: impl FnMut(u32)) {
            Self::keys(query, items, found);
        }

        /// The distance that a key of embeddings of so many words stands for.
        fn distance(key: u32, words: usize) -> f32;

        /// The values, as a vector of unit length, and zeros behind the last one.
        fn values(words: &[Self::Word]) -> impl ExactSizeIterator<Item = f32>;
    }
}

/// A code of embeddings.
pub trait Code: sealed::Sealed {}

/// What an embedding in code `C` is made of: `f32` for [`F32`], `u32` for integer codes.
pub type Word<C> = <C as sealed::Sealed>::Word;

impl Code for F32 {}

impl sealed::Sealed for F32 {
    type Word = f32;

    const NUMBER: u8 = 0;

    const ZERO: f32 = 0.0;

    fn words(dimension: usize) -> usize {
        dimension
    }

    fn check(words: &[f32]) -> Result<(), EmbeddingError> {
        let squared_norm = crate::dot(words, words);
        if !squared_norm.is_finite() {
            return Err(EmbeddingError::NotFinite);
        }
        if squared_norm > 1.0 + NORM_TOLERANCE {
            return Err(EmbeddingError::NotNormalized);
        }
        Ok(())
    }

    fn is_padded(_: &[f32], _: usize) -> bool {
        true
    }

    /// The bits of numbers that are not negative are in the numbers' order.
    #[inline(always)]
    fn key(query: &[f32], item: &[f32]) -> u32 {
        squared_distance(query, item).to_bits()
    }

    fn distance(key: u32, _: usize) -> f32 {
        f32::from_bits(key)
    }

    fn values(words: &[f32]) -> impl ExactSizeIterator<Item = f32> {
        words.iter().copied()
    }
}

/// How far a squared norm may exceed 1 through rounding.
const NORM_TOLERANCE: f32 = 1e-3;

/// Units of an integer distance: 1 is 2^22 of them.
const UNITS: u32 = 1 << 22;

/// A distance in units of 2^-22, of which there are at most 2^24.
fn from_units(units: u32) -> f32 {
    // Exact: both a whole number below 2^24 and the power of two.
    units as f32 / UNITS as f32
}
