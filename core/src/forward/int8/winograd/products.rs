//! Products of a transformed tile with a block of output channels.

use super::QUAD;
use crate::chunks::chunks;

/// One sum for each output channel of a block.
pub(super) type Sums = [i32; QUAD];

/// Two `i16` of a word.
#[inline(always)]
pub(super) const fn halves(word: u32) -> [i32; 2] {
    [word as i16 as i32, (word.cast_signed() >> 16) as i16 as i32]
}

/// A word of two `i16`, of low + 2^16 high modulo 2^32: what is left of the
/// two when words are added and subtracted as a whole.
#[inline(always)]
pub(super) const fn exact(sum: u32) -> u32 {
    sum.wrapping_add((sum & 0x8000) << 1)
}

/// Even and odd channels of a word of activations.
#[inline(always)]
pub(super) const fn pairs(word: u32) -> [u32; 2] {
    [word & 0x00FF_00FF, (word >> 8) & 0x00FF_00FF]
}

/// Biases, multipliers and elements of a block.
pub(super) struct Block<'a> {
    biases: &'a [u32; QUAD],
    multipliers: &'a [u32; QUAD],
    /// For each element and pair of channels a word for each output.
    pub elements: &'a [[u32; QUAD]],
}

impl Block<'_> {
    /// Each output's bias and multiplier.
    #[inline(always)]
    pub fn parameters(&self) -> impl Iterator<Item = (i32, u32)> {
        self.biases
            .iter()
            .zip(self.multipliers)
            .map(|(bias, multiplier)| (bias.cast_signed(), *multiplier))
    }
}

/// The blocks of a convolution, for a transformed tile of as many elements.
#[inline(always)]
pub(super) fn blocks<'a>(
    packed: &'a [u32],
    v: &[u32],
) -> impl Iterator<Item = Block<'a>> + use<'a> {
    let len = 2 * QUAD + QUAD * v.len();
    chunks(packed, len).filter_map(|block| {
        let (biases, rest) = block.split_first_chunk()?;
        let (multipliers, elements) = rest.split_first_chunk()?;
        Some(Block { biases, multipliers, elements: elements.as_chunks().0 })
    })
}

/// Sums of the products of one element of V and U over all pairs of channels.
///
/// Not inlined: the loop needs all registers.
#[inline(never)]
fn dot(v: &[u32], u: &[[u32; QUAD]], out: &mut Sums) {
    let mut sums = [0; QUAD];
    for (v, u) in v.iter().zip(u) {
        let [low, high] = halves(*v);
        for (sum, u) in sums.iter_mut().zip(u) {
            let [a, b] = halves(*u);
            *sum = i32::wrapping_add(*sum, a.wrapping_mul(low)).wrapping_add(b.wrapping_mul(high));
        }
    }
    *out = sums;
}

/// [`dot`] for each element, of which there are `N`.
#[inline(always)]
pub(super) fn products<const N: usize>(
    v: &[u32],
    u: &[[u32; QUAD]],
    pairs: usize,
    sums: &mut [Sums; N],
) {
    for (sums, (v, u)) in sums.iter_mut().zip(chunks(v, pairs).zip(chunks(u, pairs))) {
        dot(v, u, sums);
    }
}

/// The sum of an output.
#[inline(always)]
pub(super) fn lane(sums: &Sums, output: usize) -> i32 {
    sums.get(output).copied().unwrap_or_default()
}
