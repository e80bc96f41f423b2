//! The kernels in portable Rust.
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

use super::super::{Conv, QUAD, Stage, requantize};
use super::pack::record_len;
use crate::chunks::{chunks, chunks_mut};

/// Words before the window: what the sums start from.
pub(super) const START: usize = 4;
/// Words of a channel of the image.
pub(super) const IMAGE: usize = 3 * COLUMNS;
/// Words of four channels of a pooled convolution's window.
pub(super) const POOLED: usize = 3 * QUAD * COLUMNS;
/// Words of four channels of a convolution's window.
pub(super) const PLAIN: usize = 3 * QUAD * PAIRS;

/// Columns of the input that two columns of outputs read.
const COLUMNS: usize = 4;
/// Pairs of columns, two apart, that three columns of outputs read.
const PAIRS: usize = 3;

/// The sums of two pixels.
#[derive(Clone, Copy)]
struct Lanes {
    total: u32,
    high: u32,
}

impl Lanes {
    /// What starts from these two sums.
    fn new([low, high]: [u32; 2]) -> Lanes {
        Lanes { total: low.wrapping_add(high << 16), high }
    }

    #[inline(always)]
    fn add(&mut self, pixels: u32, weight: u32) {
        let products = pixels.wrapping_mul(weight);
        self.total = self.total.wrapping_add(products);
        self.high = self.high.wrapping_add(products >> 16);
    }

    #[inline(always)]
    fn sums(self) -> [i32; 2] {
        [self.total.wrapping_sub(self.high << 16), self.high].map(u32::cast_signed)
    }
}

/// The sums of a 2x2 window: of its left column and of its right.
type Square = [Lanes; 2];

/// Adds the products of one row of one channel's weights; `pixels` are pairs
/// of rows.
#[inline(always)]
fn add_row([left, right]: &mut Square, pixels: &[u32; COLUMNS], weights: [&u8; 3]) {
    let [a, b, c] = weights.map(|&weight| u32::from(weight));
    let [p, q, r, s] = *pixels;
    left.add(p, a);
    right.add(q, a);
    left.add(q, b);
    right.add(r, b);
    left.add(r, c);
    right.add(s, c);
}

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
fn start_pooled(columns: &[[u32; 2]; COLUMNS], start: &mut [u32]) {
    let [a, b, c, d] = *columns;
    for (slots, columns) in start.as_chunks_mut().0.iter_mut().zip([[a, b, c], [b, c, d]]) {
        let mut sums = [0u32; 2];
        for column in columns {
            for (sum, column) in sums.iter_mut().zip(column) {
                *sum = sum.wrapping_sub(column << 7);
            }
        }
        let Lanes { total, high } = Lanes::new(sums);
        *slots = [total, high];
    }
}

/// Expands 4 columns of 4 rows of an image.
#[inline(never)]
pub(super) fn expand_image(rows: [&[u8]; 4], scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_at_mut_checked(START) else { return };
    let channels = window.len() / IMAGE;
    let mut columns = [[0; 2]; COLUMNS];
    for (channel, rows_of_pairs) in window.as_chunks_mut::<IMAGE>().0.iter_mut().enumerate() {
        for (x, sums) in columns.iter_mut().enumerate() {
            let [p, q, r, s] = rows
                .map(|row| row.get(x * channels + channel).map_or(0, |&pixel| u32::from(pixel)));
            let [upper, lower] = sums;
            *upper += p + q + r;
            *lower += q + r + s;
            let pairs = [p | q << 16, q | r << 16, r | s << 16];
            for (row, pair) in rows_of_pairs.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(pairs) {
                if let Some(slot) = row.get_mut(x) {
                    *slot = pair;
                }
            }
        }
    }
    start_pooled(&columns, start);
}

/// Expands 4 columns of 4 rows of activations.
#[inline(never)]
pub(super) fn expand_pooled(rows: [&[u32]; 4], scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_at_mut_checked(START) else { return };
    let quads = window.len() / POOLED;
    let mut columns = [[0; 2]; COLUMNS];
    for (quad, rows_of_pairs) in window.as_chunks_mut::<POOLED>().0.iter_mut().enumerate() {
        for (x, sums) in columns.iter_mut().enumerate() {
            let [p, q, r, s] = rows.map(|row| word(row, x * quads + quad));
            let common = sum_of_bytes(q) + sum_of_bytes(r);
            let [upper, lower] = sums;
            *upper += common + sum_of_bytes(p);
            *lower += common + sum_of_bytes(s);
            let channels = [interleave(p, q), interleave(q, r), interleave(r, s)];
            let slots = rows_of_pairs.as_chunks_mut::<COLUMNS>().0;
            for (row, pair) in slots.iter_mut().zip(channels.as_flattened()) {
                if let Some(slot) = row.get_mut(x) {
                    *slot = *pair;
                }
            }
        }
    }
    start_pooled(&columns, start);
}

/// Expands 5 columns of 3 rows of activations.
#[inline(never)]
pub(super) fn expand_plain(rows: [&[u32]; 3], scratch: &mut [u32]) {
    let Some((start, window)) = scratch.split_at_mut_checked(START) else { return };
    let quads = window.len() / PLAIN;
    let mut columns = [0u32; PAIRS + 2];
    for (quad, window) in window.as_chunks_mut::<PLAIN>().0.iter_mut().enumerate() {
        for (row, pairs) in rows.iter().zip(window.as_chunks_mut::<{ PAIRS * QUAD }>().0) {
            let words: [u32; PAIRS + 2] =
                core::array::from_fn(|column| word(row, column * quads + quad));
            for (sum, word) in columns.iter_mut().zip(words) {
                *sum += sum_of_bytes(word);
            }
            let [p, q, r, s, t] = words;
            let [p, q, r] = [interleave(p, r), interleave(q, s), interleave(r, t)];
            let channels = p.into_iter().zip(q).zip(r);
            for (slots, ((p, q), r)) in pairs.as_chunks_mut().0.iter_mut().zip(channels) {
                *slots = [p, q, r];
            }
        }
    }
    let [p, q, r, s, t] = columns;
    let [left, middle, right] =
        [p + q + r, q + r + s, r + s + t].map(|sum| 0u32.wrapping_sub(sum << 7));
    let Lanes { total, high } = Lanes::new([left, right]);
    for (slot, value) in start.iter_mut().zip([total, high, middle]) {
        *slot = value;
    }
}

/// One pixel of a pooled convolution from the expanded window.
#[inline(always)]
fn pool_with(
    conv: Conv<'_>,
    stage: Stage,
    scratch: &[u32],
    pixel: &mut [u32],
    add: impl Fn(&mut Square, &[u32], &[u8]),
) {
    let Some(([total, high, total2, high2], window)) = scratch.split_first_chunk() else { return };
    let start = [Lanes { total: *total, high: *high }, Lanes { total: *total2, high: *high2 }];
    let mut records = chunks(conv.packed, record_len(stage, conv.inputs));
    for word in pixel {
        *word = 0;
        for (lane, record) in records.by_ref().take(QUAD).enumerate() {
            let [bias, multiplier, weights @ ..] = record else { continue };
            let mut sums = start;
            add(&mut sums, window, bytemuck::cast_slice(weights));
            let [left, right] = sums.map(|lanes| {
                let [upper, lower] = lanes.sums();
                upper.max(lower)
            });
            let sum = left.max(right).wrapping_shl(2).wrapping_add(bias.cast_signed());
            *word |= requantize(sum, *multiplier) << (8 * lane);
        }
    }
}

/// One pixel of the first convolution from the expanded window.
#[inline(never)]
pub(super) fn pool_image(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::First, scratch, pixel, |sums, window, weights| {
        let rows = weights.as_chunks().0;
        for (pixels, [a, b, c]) in window.as_chunks().0.iter().zip(rows) {
            add_row(sums, pixels, [a, b, c]);
        }
    });
}

/// One pixel of the second convolution from the expanded window.
#[inline(never)]
pub(super) fn pool(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::Second, scratch, pixel, |sums, window, weights| {
        let rows = weights.as_chunks::<{ 3 * QUAD }>().0;
        for (window, weights) in window.as_chunks::<{ QUAD * COLUMNS }>().0.iter().zip(rows) {
            let [a, b, c] = quads(weights);
            let channels = window.as_chunks().0;
            for (((pixels, a), b), c) in channels.iter().zip(a).zip(b).zip(c) {
                add_row(sums, pixels, [a, b, c]);
            }
        }
    });
}

/// The weights of one row of four channels, tap by tap.
#[inline(always)]
fn quads(weights: &[u8; 3 * QUAD]) -> [&[u8; QUAD]; 3] {
    match weights.as_chunks().0 {
        [a, b, c] => [a, b, c],
        _ => [&[0; QUAD]; 3],
    }
}

/// Three neighbouring pixels of the third convolution from the expanded window.
#[inline(never)]
pub(super) fn convolve(conv: Conv<'_>, scratch: &[u32], out: &mut [u32]) {
    let Some(([total, high, middle, _], window)) = scratch.split_first_chunk() else { return };
    let mut pixels = chunks_mut(out, conv.outputs.div_ceil(QUAD));
    let (Some(left), Some(centre), Some(right)) = (pixels.next(), pixels.next(), pixels.next())
    else {
        return;
    };
    let mut records = chunks(conv.packed, record_len(Stage::Third, conv.inputs));
    for ((left, centre), right) in left.iter_mut().zip(centre).zip(right) {
        let mut words = [0; 3];
        for (lane, record) in records.by_ref().take(QUAD).enumerate() {
            let [bias, multiplier, weights @ ..] = record else { continue };
            let mut outer = Lanes { total: *total, high: *high };
            let mut middle = *middle;
            let rows = bytemuck::cast_slice::<_, u8>(weights).as_chunks::<{ 3 * QUAD }>().0;
            for (window, weights) in window.as_chunks::<{ QUAD * PAIRS }>().0.iter().zip(rows) {
                let [a, b, c] = quads(weights);
                let channels = window.as_chunks().0;
                for ((([p, q, r], a), b), c) in channels.iter().zip(a).zip(b).zip(c) {
                    let [a, b, c] = [a, b, c].map(|&weight| u32::from(weight));
                    outer.add(*p, a);
                    outer.add(*q, b);
                    outer.add(*r, c);
                    middle = middle
                        .wrapping_add((q & 0xFFFF).wrapping_mul(a))
                        .wrapping_add((r & 0xFFFF).wrapping_mul(b))
                        .wrapping_add((q >> 16).wrapping_mul(c));
                }
            }
            let [left, right] = outer.sums();
            for (word, sum) in words.iter_mut().zip([left, middle.cast_signed(), right]) {
                let sum = sum.wrapping_shl(2).wrapping_add(bias.cast_signed());
                *word |= requantize(sum, *multiplier) << (8 * lane);
            }
        }
        [*left, *centre, *right] = words;
    }
}
