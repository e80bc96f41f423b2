//! F(2x2, 3x3) of an image with one channel.
//!
//! V has two elements a word, as U: see the [module](super). Those of its first
//! column are negated, so that all that is subtracted is the second product of
//! a word.

use core::num::Wrapping;

use super::products::halves;
use super::{IMAGE_WORDS, QUAD};
use crate::chunks::{chunks, chunks_mut};
use crate::forward::int8::requantize;

/// Words that [`convolve_pool`] works in.
pub(crate) const SCRATCH: usize = IMAGE_WORDS;

/// One row of pixels of `blocks` words from 4 rows of an image.
pub(crate) fn convolve_pool(
    packed: &[u32],
    rows: [&[u8]; 4],
    blocks: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let Some(v) = scratch.first_chunk_mut() else { return };
    for_each_pixel(packed, rows, blocks, out, |rows, out| {
        tile(rows, v);
        outputs(packed, v, out);
    });
}

/// Computes a row of pixels, with `varied` where the 4x4 pixels of the image
/// differ. Of background there is often a lot, and it takes a single product.
#[inline(always)]
pub(crate) fn for_each_pixel(
    packed: &[u32],
    rows: [&[u8]; 4],
    blocks: usize,
    out: &mut [u32],
    mut varied: impl FnMut([&[u8; 4]; 4], &mut [u32]),
) {
    let mut last: Option<(u32, &[u32])> = None;
    for (x, out) in chunks_mut(out, blocks).enumerate() {
        let [Some(a), Some(b), Some(c), Some(d)] =
            rows.map(|row| row.get(2 * x..).and_then(<[u8]>::first_chunk))
        else {
            return;
        };
        let words = [a, b, c, d].map(|pixels| u32::from_le_bytes(*pixels));
        let first = words.into_iter().fold(0, |_, word| word);
        if first != first.rotate_left(8) || words.iter().any(|word| *word != first) {
            varied([a, b, c, d], out);
            continue;
        }
        match last {
            Some((pixels, same)) if pixels == first => {
                out.iter_mut().zip(same).for_each(|(out, word)| *out = *word);
            }
            _ => uniform(packed, first & 0xFF, out),
        }
        last = Some((first, out));
    }
}

/// Activations of a pooled pixel where all pixels of the image are `pixel`: the
/// only element of V that is not 0 is the one of row 1 and column 1.
fn uniform(packed: &[u32], pixel: u32, out: &mut [u32]) {
    let v = pixel.wrapping_mul(4).cast_signed();
    for (block, out) in chunks(packed, QUAD * (IMAGE_WORDS + 2)).zip(out) {
        let mut word = 0;
        for [.., u, bias, multiplier] in block.as_chunks::<{ IMAGE_WORDS + 2 }>().0.iter().rev() {
            let [u, _] = halves(*u);
            let sum = u.wrapping_mul(v).wrapping_add(bias.cast_signed());
            word = word << 8 | requantize(sum, *multiplier);
        }
        *out = word;
    }
}

/// V of 4x4 pixels.
#[inline(never)]
fn tile(rows: [&[u8; 4]; 4], v: &mut [u32; IMAGE_WORDS]) {
    let columns: [[i32; 4]; 4] = core::array::from_fn(|x| {
        filter(rows.map(|row| i32::from(row.get(x).copied().unwrap_or_default())))
    });
    let rows: [[i32; 4]; 4] = core::array::from_fn(|y| {
        let [a, b, c, d] = filter(columns.map(|column| column.get(y).copied().unwrap_or_default()));
        [-a, b, c, d]
    });
    let [[v00, v01, v02, v03], [v10, v11, v12, v13], [v20, v21, v22, v23], [v30, v31, v32, v33]] =
        rows;
    *v = [
        [v12, v21],
        [v32, v31],
        [v13, v23],
        [v02, v01],
        [v10, v20],
        [v00, v33],
        [v03, v30],
        [v11, v22],
    ]
    .map(|[low, high]| (low.cast_unsigned() & 0xFFFF) | (high.cast_unsigned() << 16));
}

/// B^T times a vector.
#[inline(always)]
fn filter([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    [a - c, b + c, b - c, d - b]
}

/// Activations of one pooled pixel, a word for each block of packed
/// parameters.
#[inline(never)]
fn outputs(packed: &[u32], v: &[u32; IMAGE_WORDS], out: &mut [u32]) {
    for (block, out) in chunks(packed, 4 * (IMAGE_WORDS + 2)).zip(out) {
        let mut word = 0;
        for output in block.as_chunks::<{ IMAGE_WORDS + 2 }>().0.iter().rev() {
            word = word << 8 | activation(output, v);
        }
        *out = word;
    }
}

#[inline(never)]
fn activation(output: &[u32; IMAGE_WORDS + 2], v: &[u32; IMAGE_WORDS]) -> u32 {
    let [u0, u1, u2, u3, u4, u5, u6, u7, bias, multiplier] = *output;
    let [v0, v1, v2, v3, v4, v5, v6, v7] = *v;
    let products = |u, v| {
        let ([a, b], [c, d]) = (halves(u).map(Wrapping), halves(v).map(Wrapping));
        [a * c, b * d]
    };
    let split = |u, v| {
        // Multiplies and adds, then doubles and subtracts: one instruction each.
        let [a, b] = products(u, v);
        let sum = a + b;
        [sum, sum - (b + b)]
    };
    let [g, h] = split(u0, v0);
    let [s1, d1] = split(u1, v1);
    let [s2, d2] = split(u2, v2);
    let [s3, d3] = split(u3, v3);
    let [s4, d4] = split(u4, v4);
    let [m00, m33] = products(u5, v5);
    let [m03, m30] = products(u6, v6);
    let [e, f] = split(u7, v7);
    // Outputs (1, 1) and (0, 0) less e, (0, 1) and (1, 0) less f.
    let diagonal = (g + s1 + s2 + m33).max(-g - d3 - d4 - m00);
    let other = (h + s3 + d2 + m03).max(-h - s4 - d1 - m30);
    let sum = (diagonal + e).max(other + f) + Wrapping(bias.cast_signed());
    requantize(sum.0, multiplier)
}
