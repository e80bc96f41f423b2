//! How embeddings are coded: the values of one embedding are a fixed number of
//! words of 4 bytes, in a gallery, in a file and in flash.
//!
//! | code | words of an embedding | distance |
//! |---|---|---|
//! | [`F32`] | its values | squared Euclidean |
//! | [`U8`] | its inverse norm, then its values, four a word | squared Euclidean after normalising |

mod u8;

use crate::F32;
pub(crate) use u8::encode_means;

pub(crate) mod sealed {
    use core::fmt::Debug;

    pub trait Sealed: Copy + Debug + PartialEq {
        /// What an embedding is made of: `f32`, or `u32` for integer codes.
        type Word: bytemuck::Pod + Debug + Default + PartialEq;

        /// The number that stands for this code in a file.
        const NUMBER: u8;
    }
}

/// A code of embeddings.
pub trait Code: sealed::Sealed {}

impl Code for F32 {}

impl sealed::Sealed for F32 {
    type Word = f32;

    const NUMBER: u8 = 0;
}

/// Values from 0 to 255 and the inverse of their norm: the embedding of a
/// quantised model.
///
/// The first word is floor(2^39 / norm), 0 for a zero embedding; value i lies
/// in byte i mod 4, the lowest first, of word 1 + floor(i / 4). The largest
/// value is 255, unless all are 0; bytes beyond the last value are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum U8 {}

impl U8 {
    /// Words of an embedding of so many values.
    pub const fn words(dimension: usize) -> usize {
        1 + dimension.div_ceil(4)
    }
}

impl Code for U8 {}

impl sealed::Sealed for U8 {
    type Word = u32;

    const NUMBER: u8 = 1;
}
