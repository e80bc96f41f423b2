//! Bits to find candidates, values to rank them.

use super::sealed::Sealed;
use super::{Binary, Code, U8, kernel};
use crate::EmbeddingError;
use crate::chunks::chunks;

/// A [`Binary`] embedding, then the [`U8`] embedding that it was made of.
///
/// The distance is that of [`U8`]. A gallery's search first takes a shortlist
/// of the items with the least Hamming distance, ties by lower id, and ranks
/// only these by [`U8`]'s distance: items with many bits that differ may be
/// missed, and all but the shortlist's are passed over quickly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoStage {}

impl TwoStage {
    /// Words of an embedding of so many values.
    pub const fn words(dimension: usize) -> usize {
        Binary::words(dimension) + U8::words(dimension)
    }

    /// Length of the shortlist of a search that is not told another.
    pub const SHORTLIST: usize = 64;
}

impl Code for TwoStage {}

impl Sealed for TwoStage {
    type Word = u32;

    const NUMBER: u8 = 4;

    const ZERO: u32 = 0;

    const SHORTLIST: usize = TwoStage::SHORTLIST;

    fn words(dimension: usize) -> usize {
        TwoStage::words(dimension)
    }

    fn check(words: &[u32]) -> Result<(), EmbeddingError> {
        let (binary, values) = split(words);
        let is_whole = Binary::words(4 * values.len().saturating_sub(1)) == binary.len();
        if is_whole { U8::check(values) } else { Err(EmbeddingError::Code) }
    }

    fn is_padded(words: &[u32], dimension: usize) -> bool {
        let (binary, values) = split(words);
        Binary::is_padded(binary, dimension) && U8::is_padded(values, dimension)
    }

    #[inline(always)]
    fn key(query: &[u32], item: &[u32]) -> u32 {
        U8::key(split(query).1, split(item).1)
    }

    #[inline(always)]
    fn rough_keys(query: &[u32], items: &[u32], mut found: impl FnMut(u32)) {
        let (binary, _) = split(query);
        for item in chunks(items, query.len()) {
            found(kernel::hamming(binary, item));
        }
    }

    fn distance(key: u32, words: usize) -> f32 {
        U8::distance(key, words)
    }

    fn values(words: &[u32]) -> impl ExactSizeIterator<Item = f32> {
        U8::values(split(words).1)
    }
}

/// The binary embedding and the other.
///
/// One word of bits serves 8 words of values, which follow one word of the
/// norm: of w words, floor(8 (w - 1) / 9) are of values.
#[inline(always)]
pub(super) fn split(words: &[u32]) -> (&[u32], &[u32]) {
    let values = 8 * words.len().saturating_sub(1) / 9;
    let binary = words.len().saturating_sub(values).saturating_sub(1);
    words.split_at_checked(binary).unwrap_or_default()
}
