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
pub(super) const IMAGE: usize = 3 * COLUMNS;
/// Words of four channels of a pooled convolution's window.
pub(super) const POOLED: usize = 3 * QUAD * COLUMNS;
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
pub(super) const COLUMNS: usize = 4;
/// Pairs of columns, two apart, that three columns of outputs read.
pub(super) const PAIRS: usize = 3;

pub(super) fn word(row: &[u32], index: usize) -> u32 {
    row.get(index).copied().unwrap_or_default()
}

pub(super) fn sum_of_bytes(word: u32) -> u32 {
    let pairs = (word & 0x00FF_00FF) + ((word >> 8) & 0x00FF_00FF);
    (pairs & 0xFFFF) + (pairs >> 16)
}

/// For each of a word's bytes, the pair of it and the other word's.
#[inline(always)]
pub(super) fn interleave(low: u32, high: u32) -> [u32; QUAD] {
    let even = [low & 0x00FF_00FF, high & 0x00FF_00FF];
    let odd = [(low >> 8) & 0x00FF_00FF, (high >> 8) & 0x00FF_00FF];
    let lower = |[low, high]: [u32; 2]| (low & 0xFFFF) | (high << 16);
    let upper = |[low, high]: [u32; 2]| (low >> 16) | (high & 0xFFFF_0000);
    [lower(even), lower(odd), upper(even), upper(odd)]
}

/// What the sums of a 2x2 window start from. `columns` has, for each column of
/// the input, its sums over the rows that the upper and the lower outputs read.
pub(super) fn start_pooled(columns: [[u32; 2]; COLUMNS], start: &mut [u32; START]) {
    let [[a, e], [b, f], [c, g], [d, h]] = columns;
    start_square([[a + b + c, e + f + g], [b + c + d, f + g + h]], start);
}

/// The same from the sums of the upper and the lower outputs' inputs, on the
/// left and on the right.
pub(super) fn start_square([left, right]: [[u32; 2]; 2], start: &mut [u32; START]) {
    let ([a, b], [c, d]) = (total_and_high(left), total_and_high(right));
    *start = [a, b, c, d];
}

/// What t and h start from, for the sums of the low and the high halves' inputs.
fn total_and_high(inputs: [u32; 2]) -> [u32; 2] {
    let [low, high] = inputs.map(|sum| 0u32.wrapping_sub(sum << 7));
    [low.wrapping_add(high << 16), high]
}

/// The window, and behind it what the sums start from.
pub(super) fn split_start(scratch: &mut [u32]) -> Option<(&mut [u32], &mut [u32; START])> {
    scratch.split_last_chunk_mut()
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
    let [total, high] = total_and_high([p + q + r, r + s + t]);
    *start = [total, high, 0u32.wrapping_sub((q + r + s) << 7), 0];
}
