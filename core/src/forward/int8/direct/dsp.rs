//! The kernels for Cortex-M with DSP instructions: windows of pairs of 16 bits,
//! of channels (or taps) 0 and 2, and 1 and 3, of each word.

use super::super::{Conv, QUAD, Stage};
use crate::machine::dsp_direct::{self, START};

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
fn start_of(pairs: u32) -> u32 {
    0u32.wrapping_sub(((pairs & 0xFFFF) + (pairs >> 16)) << 7)
}

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

/// The same for one channel.
#[inline(always)]
fn expand_grey(rows: [u32; 4], start: &mut [u32; START], window: &mut [u32]) {
    let [a, b, c, d] = rows;
    let outputs =
        [[a, b, c], [a, b, c].map(|row| row >> 8), [b, c, d], [b, c, d].map(|row| row >> 8)];
    let Some(window) = window.first_chunk_mut::<20>() else { return };
    for (output, (rows, start)) in outputs.into_iter().zip(start).enumerate() {
        let [a, b, c] = rows;
        let [p, q] = pairs((a & 0x00FF_FFFF) | b << 24);
        let [r, s] = pairs(((b >> 8) & 0xFFFF) | c << 16);
        let t = (c >> 16) & 0xFF;
        *start = start_of(p + q + r + s + t);
        for (slots, pair) in window.as_chunks_mut::<4>().0.iter_mut().zip([p, q, r, s, t]) {
            if let Some(slot) = slots.get_mut(output) {
                *slot = pair;
            }
        }
    }
}

/// Expands columns of rows of activations, to `[quad][half][row][column]`; gives
/// each pixel's sum in two halves.
#[inline(always)]
fn expand<const ROWS: usize, const COLUMNS: usize>(
    rows: [&[u32]; ROWS],
    quads: usize,
    window: &mut [u32],
) -> [[u32; COLUMNS]; ROWS] {
    let mut sums = [[0u32; COLUMNS]; ROWS];
    let halves = window.as_chunks_mut::<COLUMNS>().0.as_chunks_mut::<ROWS>().0.as_chunks_mut().0;
    for (quad, [even, odd]) in halves.iter_mut().enumerate() {
        let slots = even.iter_mut().zip(odd);
        for ((row, sums), (even, odd)) in rows.iter().zip(&mut sums).zip(slots) {
            let slots = sums.iter_mut().zip(even.iter_mut().zip(odd));
            for (x, (sum, (even, odd))) in slots.enumerate() {
                let word = row.get(x * quads + quad).copied().unwrap_or_default();
                [*even, *odd] = pairs(word);
                *sum = sum.wrapping_add(*even + *odd);
            }
        }
    }
    sums.map(|row| row.map(|pairs| (pairs & 0xFFFF) + (pairs >> 16)))
}

fn start_of_columns<const COLUMNS: usize>(rows: &[[u32; COLUMNS]], x: usize) -> u32 {
    let columns = rows.iter().flat_map(|row| row.iter().skip(x).take(3));
    0u32.wrapping_sub(columns.sum::<u32>() << 7)
}

/// Expands 4 columns of 4 rows of activations.
#[inline(never)]
pub(super) fn expand_pooled(rows: [&[u32]; 4], quads: usize, scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_first_chunk_mut::<START>() else { return };
    let sums = expand::<4, 4>(rows, quads, window);
    let [top @ .., _] = &sums;
    let [_, bottom @ ..] = &sums;
    *start =
        [(top, 0), (top, 1), (bottom, 0), (bottom, 1)].map(|(rows, x)| start_of_columns(rows, x));
}

/// Expands 5 columns of 3 rows of activations.
#[inline(never)]
pub(super) fn expand_plain(rows: [&[u32]; 3], quads: usize, scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_first_chunk_mut::<START>() else { return };
    let sums = expand::<3, 5>(rows, quads, window);
    *start = [0, 1, 2, 3].map(|x| start_of_columns(&sums, x));
}

/// One pixel of the first convolution from the expanded window.
pub(super) fn pool_image(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    let words = (9 * conv.inputs).div_ceil(QUAD);
    dsp_direct::pool_columns(conv.packed, words, conv.outputs, scratch, pixel);
}

/// One pixel of the second convolution from the expanded window.
pub(super) fn pool(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    dsp_direct::pool(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, scratch, pixel);
}

/// Three neighbouring pixels of the third convolution from the expanded window.
pub(super) fn convolve(conv: Conv<'_>, scratch: &[u32], out: &mut [u32]) {
    out.fill(0);
    dsp_direct::convolve(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, scratch, out);
}
