//! The kernels for Cortex-M with DSP instructions: windows of pairs of 16 bits,
//! of channels (or taps) 0 and 2, and 1 and 3, of each word.

use super::super::{Conv, QUAD, Stage};
use crate::machine::dsp::direct::{self as machine, START};

/// Words that the kernel of a stage works in.
pub(super) const fn window_len(stage: Stage, inputs: usize) -> usize {
    START
        + match stage {
            Stage::First => 8 * (9 * inputs).div_ceil(QUAD),
            Stage::Second => 32 * inputs.div_ceil(QUAD),
            Stage::Third => 30 * inputs.div_ceil(QUAD),
        }
}

/// What a channel's packed weights have too much is taken off here.
#[inline(always)]
fn start_of(pairs: u32) -> u32 {
    0u32.wrapping_sub(((pairs & 0xFFFF) + (pairs >> 16)) << 7)
}

#[inline(always)]
fn pairs(word: u32) -> [u32; 2] {
    [word, word >> 8].map(|word| word & 0x00FF_00FF)
}

/// Expands 4 columns of 4 rows of an image: each output's inputs in the order
/// of its weights.
#[inline(never)]
pub(super) fn expand_image(rows: [&[u8]; 4], channels: usize, scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_first_chunk_mut::<START>() else { return };
    if let (1, [Some(a), Some(b), Some(c), Some(d)]) =
        (channels, rows.map(|row| row.first_chunk::<4>()))
    {
        let rows = [a, b, c, d].map(|row| u32::from_le_bytes(*row));
        expand_grey(rows, start, window);
        return;
    }
    let mut sums = [0; 4];
    let pixel = |y: usize, x: usize, channel: usize| {
        let row = rows.get(y).copied().unwrap_or_default();
        row.get(x * channels + channel).map_or(0, |&pixel| u32::from(pixel))
    };
    for (index, word) in window.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let outputs = [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().zip(&mut sums);
        for (output, ((dy, dx), sum)) in outputs.enumerate() {
            let taps: [u32; QUAD] = core::array::from_fn(|byte| {
                let tap = index * QUAD + byte;
                let (channel, tap) = (tap / 9, tap % 9);
                if channel < channels { pixel(dy + tap / 3, dx + tap % 3, channel) } else { 0 }
            });
            let [a, b, c, d] = taps;
            for (half, pair) in
                word.as_chunks_mut::<4>().0.iter_mut().zip([a | c << 16, b | d << 16])
            {
                *sum += pair;
                if let Some(slot) = half.get_mut(output) {
                    *slot = pair;
                }
            }
        }
    }
    *start = sums.map(start_of);
}

/// One output's inputs of one channel, from 3 bytes of 3 rows, and what its sum
/// starts from.
#[inline(always)]
fn grey_column([a, b, c]: [u32; 3]) -> ([u32; 5], u32) {
    let [p, q] = pairs((a & 0x00FF_FFFF) | b << 24);
    let [r, s] = pairs(((b >> 8) & 0xFFFF) | c << 16);
    let t = (c >> 16) & 0xFF;
    ([p, q, r, s, t], start_of(p + q + r + s + t))
}

/// The same for one channel.
#[inline(always)]
fn expand_grey([a, b, c, d]: [u32; 4], start: &mut [u32; START], window: &mut [u32]) {
    let Some(window) = window.first_chunk_mut::<20>() else { return };
    let ([p0, q0, r0, s0, t0], start0) = grey_column([a, b, c]);
    let ([p1, q1, r1, s1, t1], start1) = grey_column([a >> 8, b >> 8, c >> 8]);
    let ([p2, q2, r2, s2, t2], start2) = grey_column([b, c, d]);
    let ([p3, q3, r3, s3, t3], start3) = grey_column([b >> 8, c >> 8, d >> 8]);
    *start = [start0, start1, start2, start3];
    let lines =
        [[p0, p1, p2, p3], [q0, q1, q2, q3], [r0, r1, r2, r3], [s0, s1, s2, s3], [t0, t1, t2, t3]];
    window.copy_from_slice(lines.as_flattened());
}

/// Expands 4 columns of 4 rows of activations, to `[quad][half][row][column]`.
#[inline(never)]
pub(super) fn expand_pooled(rows: [&[u32]; 4], quads: usize, scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_first_chunk_mut::<START>() else { return };
    let mut line = |y: usize, row| {
        machine::expand_row(row, quads, window.get_mut(4 * y..).unwrap_or_default())
    };
    let [a, b, c, d] = rows;
    let [a, b, c, d] = [line(0, a), line(1, b), line(2, c), line(3, d)];
    let [upper_left, upper_right] = outputs([a, b, c]);
    let [lower_left, lower_right] = outputs([b, c, d]);
    *start = [upper_left, upper_right, lower_left, lower_right];
}

/// What the sums of two neighbours start from, whose inputs' sums are given by
/// row and column.
fn outputs([a, b, c]: [[u32; 4]; 3]) -> [u32; 2] {
    let mut columns = [0; 4];
    for (((sum, a), b), c) in columns.iter_mut().zip(a).zip(b).zip(c) {
        *sum = a + b + c;
    }
    let [a, b, c, d] = columns;
    [a + b + c, b + c + d].map(|sum| 0u32.wrapping_sub(sum << 7))
}

/// Expands 5 columns of 3 rows of activations, to `[quad][half][row][column]`.
#[inline(never)]
pub(super) fn expand_plain(rows: [&[u32]; 3], quads: usize, scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_first_chunk_mut::<START>() else { return };
    let mut columns = [0u32; 5];
    for (quad, window) in window.as_chunks_mut::<30>().0.iter_mut().enumerate() {
        let (even, odd) = window.split_at_mut(15);
        let slots = even.as_chunks_mut::<5>().0.iter_mut().zip(odd.as_chunks_mut::<5>().0);
        for (row, (even, odd)) in rows.iter().zip(slots) {
            let slots = columns.iter_mut().zip(even.iter_mut().zip(odd));
            for (x, (sum, (even, odd))) in slots.enumerate() {
                let word = row.get(x * quads + quad).copied().unwrap_or_default();
                [*even, *odd] = pairs(word);
                let pairs = *even + *odd;
                *sum += (pairs & 0xFFFF) + (pairs >> 16);
            }
        }
    }
    let [a, b, c, d, e] = columns;
    *start = [a + b + c, b + c + d, c + d + e, 0].map(|sum| 0u32.wrapping_sub(sum << 7));
}

/// One pixel of the first convolution from the expanded window.
pub(super) fn pool_image(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    let words = (9 * conv.inputs).div_ceil(QUAD);
    machine::pool_columns(conv.packed, words, conv.outputs, scratch, pixel);
}

/// One pixel of the second convolution from the expanded window.
pub(super) fn pool(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    machine::pool(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, scratch, pixel);
}

/// Three neighbouring pixels of the third convolution from the expanded window.
pub(super) fn convolve(conv: Conv<'_>, scratch: &[u32], out: &mut [u32]) {
    out.fill(0);
    machine::convolve(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, scratch, out);
}
