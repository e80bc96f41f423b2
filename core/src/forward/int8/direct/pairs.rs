//! Windows of pairs of pixels, one in each half of a word.
//!
//! A processor without instructions for pairs of 16 bits still multiplies two
//! pixels by a weight at once. With u, v and w + 128 from 0 to 255, both
//! products of
//!
//! ```text
//! (u + 2^16 v) (w + 128) = u (w + 128) + 2^16 v (w + 128)
//! ```
//!
//! fit 16 bits. Let t be the sum of such products modulo 2^32 and h that of
//! their high halves: then the sum over v is h, and the sum over u is
//! t - 2^16 h. The sums start from -128 times the window's inputs, which undoes
//! the 128.

use super::super::{QUAD, Stage};

/// Words behind the window: what the sums start from.
pub(super) const START: usize = 4;
/// Words of a channel of the image.
const IMAGE: usize = 3 * COLUMNS;
/// Words of four channels of a pooled convolution's window.
const POOLED: usize = 3 * QUAD * COLUMNS;
/// Words of four channels of a convolution's window.
const PLAIN: usize = 3 * QUAD * PAIRS;

/// Words that the kernel of a stage works in.
pub(super) const fn window_len(stage: Stage, inputs: usize) -> usize {
    START
        + match stage {
            Stage::First => IMAGE * inputs,
            Stage::Second => POOLED * inputs.div_ceil(QUAD),
            Stage::Third => PLAIN * inputs.div_ceil(QUAD),
        }
}

/// Columns of the input that two columns of outputs read.
const COLUMNS: usize = 4;
/// Pairs of columns, two apart, that three columns of outputs read.
const PAIRS: usize = 3;

fn word(row: &[u32], index: usize) -> u32 {
    row.get(index).copied().unwrap_or_default()
}

fn sum_of_bytes(word: u32) -> u32 {
    let pairs = (word & 0x00FF_00FF) + ((word >> 8) & 0x00FF_00FF);
    (pairs & 0xFFFF) + (pairs >> 16)
}

/// For each of a word's bytes, the pair of it and the other word's.
#[inline(always)]
fn interleave(low: u32, high: u32) -> [u32; QUAD] {
    let even = [low & 0x00FF_00FF, high & 0x00FF_00FF];
    let odd = [(low >> 8) & 0x00FF_00FF, (high >> 8) & 0x00FF_00FF];
    let lower = |[low, high]: [u32; 2]| (low & 0xFFFF) | (high << 16);
    let upper = |[low, high]: [u32; 2]| (low >> 16) | (high & 0xFFFF_0000);
    [lower(even), lower(odd), upper(even), upper(odd)]
}

/// What the sums of a 2x2 window start from. `columns` has, for each column of
/// the input, its sums over the rows that the upper and the lower outputs read.
fn start_pooled(columns: &[[u32; 2]; COLUMNS], start: &mut [u32; START]) {
    let [a, b, c, d] = *columns;
    for (slots, columns) in start.as_chunks_mut().0.iter_mut().zip([[a, b, c], [b, c, d]]) {
        let mut sums = [0u32; 2];
        for column in columns {
            for (sum, column) in sums.iter_mut().zip(column) {
                *sum = sum.wrapping_sub(column << 7);
            }
        }
        *slots = total_and_high(sums);
    }
}

/// What t and h start from, for the sums of the low and the high halves.
fn total_and_high([low, high]: [u32; 2]) -> [u32; 2] {
    [low.wrapping_add(high << 16), high]
}

/// The window, and behind it what the sums start from.
fn split_start(scratch: &mut [u32]) -> Option<(&mut [u32], &mut [u32; START])> {
    scratch.split_last_chunk_mut()
}

/// Expands 4 columns of 4 rows of an image, to `[channel][row][column]`.
#[inline(never)]
pub(super) fn expand_image(rows: [&[u8]; 4], channels: usize, scratch: &mut [u32]) {
    let Some((window, start)) = split_start(scratch) else { return };
    let mut columns = [[0; 2]; COLUMNS];
    for (channel, window) in window.as_chunks_mut::<IMAGE>().0.iter_mut().enumerate() {
        for (x, sums) in columns.iter_mut().enumerate() {
            let [p, q, r, s] = rows
                .map(|row| row.get(x * channels + channel).map_or(0, |&pixel| u32::from(pixel)));
            let [upper, lower] = sums;
            *upper += p + q + r;
            *lower += q + r + s;
            let pairs = [p | q << 16, q | r << 16, r | s << 16];
            for (row, pair) in window.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(pairs) {
                if let Some(slot) = row.get_mut(x) {
                    *slot = pair;
                }
            }
        }
    }
    start_pooled(&columns, start);
}

/// Expands 4 columns of 4 rows of activations, to
/// `[channel / 4][row][channel % 4][column]`.
#[inline(never)]
pub(super) fn expand_pooled(rows: [&[u32]; 4], quads: usize, scratch: &mut [u32]) {
    let Some((window, start)) = split_start(scratch) else { return };
    let mut columns = [[0; 2]; COLUMNS];
    for (quad, window) in window.as_chunks_mut::<POOLED>().0.iter_mut().enumerate() {
        for (x, sums) in columns.iter_mut().enumerate() {
            let [p, q, r, s] = rows.map(|row| word(row, x * quads + quad));
            let common = sum_of_bytes(q) + sum_of_bytes(r);
            let [upper, lower] = sums;
            *upper += common + sum_of_bytes(p);
            *lower += common + sum_of_bytes(s);
            let pairs = [[p, q], [q, r], [r, s]];
            let rows = window.as_chunks_mut::<{ QUAD * COLUMNS }>().0;
            for (row, [low, high]) in rows.iter_mut().zip(pairs) {
                let channels = row.as_chunks_mut::<COLUMNS>().0.iter_mut();
                for (columns, pair) in channels.zip(interleave(low, high)) {
                    if let Some(slot) = columns.get_mut(x) {
                        *slot = pair;
                    }
                }
            }
        }
    }
    start_pooled(&columns, start);
}

/// Expands 5 columns of 3 rows of activations, to
/// `[channel / 4][row][channel % 4][column]`.
#[inline(never)]
pub(super) fn expand_plain(rows: [&[u32]; 3], quads: usize, scratch: &mut [u32]) {
    let Some((window, start)) = split_start(scratch) else { return };
    let mut columns = [0; PAIRS + 2];
    for (quad, window) in window.as_chunks_mut::<PLAIN>().0.iter_mut().enumerate() {
        for (row, slots) in rows.iter().zip(window.as_chunks_mut::<{ PAIRS * QUAD }>().0) {
            let words: [u32; PAIRS + 2] =
                core::array::from_fn(|column| word(row, column * quads + quad));
            for (sum, word) in columns.iter_mut().zip(words) {
                *sum += sum_of_bytes(word);
            }
            let [p, q, r, s, t] = words;
            let [p, q, r] = [interleave(p, r), interleave(q, s), interleave(r, t)];
            let channels = slots.as_chunks_mut().0.iter_mut();
            for (((slots, p), q), r) in channels.zip(p).zip(q).zip(r) {
                *slots = [p, q, r];
            }
        }
    }
    let [p, q, r, s, t] = columns;
    let [left, middle, right] =
        [p + q + r, q + r + s, r + s + t].map(|sum| 0u32.wrapping_sub(sum << 7));
    let [total, high] = total_and_high([left, right]);
    *start = [total, high, middle, 0];
}
