//! F(2x2, 3x3) and the maximum over its four outputs.

use super::products::{Sums, blocks, exact, lane, products};
use super::{POOLED_ELEMENTS, QUAD};
use crate::forward::int8::requantize;

/// Words of V for a pair of channels.
pub(crate) const PAIR: usize = 1;

/// V of 4x4 pixels of activations: four rows, for each of `v.len() / 32` words
/// of a pixel.
#[inline(never)]
pub(crate) fn tile(rows: [&[u32]; 4], v: &mut [u32]) {
    let quads = v.len() / (2 * POOLED_ELEMENTS);
    for quad in 0..quads {
        let pixel = |y: usize, x: usize| {
            let row = rows.get(y).copied().unwrap_or_default();
            row.get(x * quads + quad).copied().unwrap_or_default()
        };
        let words = core::array::from_fn(|y| core::array::from_fn(|x| pixel(y, x)));
        transform(&words, v.get_mut(2 * quad..).unwrap_or_default(), 2 * quads);
    }
}

/// V of 4x4 pixels of an image: four rows of pixels of `channels` bytes.
#[inline(never)]
pub(crate) fn tile_of_pixels(rows: [&[u8]; 4], channels: usize, v: &mut [u32]) {
    let quads = v.len() / (2 * POOLED_ELEMENTS);
    for quad in 0..quads {
        let first = quad * QUAD;
        let count = QUAD.min(channels.saturating_sub(first));
        let words = rows.map(|row| {
            core::array::from_fn(|x| {
                let bytes = row.get(x * channels + first..).and_then(|row| row.get(..count));
                let bytes = bytes.unwrap_or_default();
                bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
            })
        });
        transform(&words, v.get_mut(2 * quad..).unwrap_or_default(), 2 * quads);
    }
}

/// V of the four channels of 4x4 words; its elements lie `stride` words apart.
#[inline(always)]
fn transform(words: &[[u32; 4]; 4], v: &mut [u32], stride: usize) {
    let [even, odd] = [0, 1].map(|i| two_channels(&words.map(|row| row.map(|word| pair(word, i)))));
    let pairs = even.as_flattened().iter().zip(odd.as_flattened());
    for (v, (even, odd)) in v.chunks_mut(stride.max(2)).zip(pairs) {
        if let Some([first, second]) = v.first_chunk_mut() {
            (*first, *second) = (exact(*even), exact(*odd));
        }
    }
}

#[inline(always)]
fn pair(word: u32, i: u32) -> u32 {
    (word >> (8 * i)) & 0x00FF_00FF
}

/// B^T d B of two channels at a time.
#[inline(always)]
fn two_channels([a, b, c, d]: &[[u32; 4]; 4]) -> [[u32; 4]; 4] {
    let vertical = |x: usize| {
        let [a, b, c, d] =
            [a, b, c, d].map(|row: &[u32; 4]| row.get(x).copied().unwrap_or_default());
        filter([a, b, c, d])
    };
    let [p, q, r, s] = [vertical(0), vertical(1), vertical(2), vertical(3)];
    core::array::from_fn(|y| {
        filter([p, q, r, s].map(|column| column.get(y).copied().unwrap_or_default()))
    })
}

/// B^T times a vector.
#[inline(always)]
fn filter([a, b, c, d]: [u32; 4]) -> [u32; 4] {
    [a.wrapping_sub(c), b.wrapping_add(c), b.wrapping_sub(c), d.wrapping_sub(b)]
}

/// Activations of one pooled pixel, a word for each block of packed
/// parameters.
#[inline(never)]
pub(crate) fn outputs(packed: &[u32], v: &[u32], out: &mut [u32]) {
    let pairs = v.len() / POOLED_ELEMENTS;
    for (block, out) in blocks(packed, v).zip(out) {
        let mut sums = [Sums::default(); POOLED_ELEMENTS];
        products(v, block.elements, pairs, &mut sums);
        let mut word = 0;
        for (output, (bias, multiplier)) in block.parameters().enumerate() {
            let sum = maximum(&sums, output).wrapping_add(bias);
            word |= requantize(sum, multiplier) << (8 * output);
        }
        *out = word;
    }
}

/// The maximum over A^T M A for M the sums of an output.
#[inline(always)]
fn maximum(sums: &[Sums; POOLED_ELEMENTS], output: usize) -> i32 {
    let row = |i: usize| {
        let sum = |j: usize| sums.get(4 * i + j).map(|sums| lane(sums, output)).unwrap_or_default();
        combine([sum(0), sum(1), sum(2), sum(3)])
    };
    let [[a, p], [b, q], [c, r], [d, s]] = [row(0), row(1), row(2), row(3)];
    let ([y00, y10], [y01, y11]) = (combine([a, b, c, d]), combine([p, q, r, s]));
    y00.max(y01).max(y10.max(y11))
}

/// A^T times a vector.
#[inline(always)]
fn combine([a, b, c, d]: [i32; 4]) -> [i32; 2] {
    [a.wrapping_add(b).wrapping_sub(c), b.wrapping_add(c).wrapping_add(d)]
}
