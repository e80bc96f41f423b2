//! F(2x2, 3x3) and the maximum over its four outputs.

use super::products::{Sums, blocks, exact, lane, pairs, products};
use super::{POOLED_ELEMENTS, QUAD};
use crate::chunks::{chunks, chunks_mut};
use crate::forward::int8::requantize;

/// Words of V for a pair of channels.
pub(crate) const PAIR: usize = 1;

/// V of 4x4 pixels of activations: four rows, for each of `v.len() / 32` words
/// of a pixel.
#[inline(never)]
pub(crate) fn tile(rows: [&[u32]; 4], v: &mut [u32]) {
    let quads = v.len() / (2 * POOLED_ELEMENTS);
    for (row, v) in rows.into_iter().zip(chunks_mut(v, 8 * quads)) {
        filter_row(row, v, quads);
    }
    filter_columns(v);
}

/// V of 4x4 pixels of an image: four rows of pixels of `channels` bytes.
#[inline(never)]
pub(crate) fn tile_of_pixels(rows: [&[u8]; 4], channels: usize, v: &mut [u32]) {
    let quads = v.len() / (2 * POOLED_ELEMENTS);
    for (row, v) in rows.into_iter().zip(chunks_mut(v, 8 * quads)) {
        for quad in 0..quads {
            let first = quad * QUAD;
            let count = QUAD.min(channels.saturating_sub(first));
            let words = [0, 1, 2, 3].map(|x| {
                let bytes = row.get(x * channels + first..).and_then(|row| row.get(..count));
                bytes
                    .unwrap_or_default()
                    .iter()
                    .rev()
                    .fold(0, |word, byte| word << 8 | u32::from(*byte))
            });
            let elements = filter_words(words);
            for (v, pairs) in chunks_mut(v, 2 * quads).zip(elements) {
                if let Some(place) = v.get_mut(2 * quad..).and_then(<[u32]>::first_chunk_mut) {
                    *place = pairs;
                }
            }
        }
    }
    filter_columns(v);
}

/// B^T along a row of four pixels of activations.
#[inline(always)]
fn filter_row(row: &[u32], v: &mut [u32], quads: usize) {
    let mut pixels = chunks(row, quads);
    let mut elements = chunks_mut(v.as_chunks_mut().0, quads);
    let mut next = || Some((pixels.next()?, elements.next()?));
    let (Some((a, p)), Some((b, q)), Some((c, r)), Some((d, s))) = (next(), next(), next(), next())
    else {
        return;
    };
    let (words, elements) = (a.iter().zip(b).zip(c).zip(d), p.iter_mut().zip(q).zip(r).zip(s));
    for ((((a, b), c), d), (((p, q), r), s)) in words.zip(elements) {
        [*p, *q, *r, *s] = filter_words([*a, *b, *c, *d]);
    }
}

/// B^T times four words of activations, for each pair of channels.
#[inline(always)]
fn filter_words(words: [u32; 4]) -> [[u32; 2]; 4] {
    let [[a, e], [b, f], [c, g], [d, h]] = words.map(pairs);
    let ([a, b, c, d], [e, f, g, h]) = (filter([a, b, c, d]), filter([e, f, g, h]));
    [[a, e], [b, f], [c, g], [d, h]]
}

/// B^T along all columns of four rows.
#[inline(always)]
fn filter_columns(v: &mut [u32]) {
    let mut rows = chunks_mut(v, v.len() / 4);
    let (Some(a), Some(b), Some(c), Some(d)) = (rows.next(), rows.next(), rows.next(), rows.next())
    else {
        return;
    };
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        [*a, *b, *c, *d] = filter([*a, *b, *c, *d]).map(exact);
    }
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
