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

/// Words behind the window: what the sums start from.
const START: usize = 4;
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

    /// Adds the products of corresponding pairs of pixels and weights. Written
    /// out: optimised for size, a loop would stay one.
    #[inline(always)]
    fn add4(&mut self, [p, q, r, s]: &[u32; QUAD], [a, b, c, d]: &[u8; QUAD]) {
        self.add(*p, *a);
        self.add(*q, *b);
        self.add(*r, *c);
        self.add(*s, *d);
    }

    #[inline(always)]
    fn add(&mut self, pixels: u32, weight: u8) {
        let products = pixels.wrapping_mul(u32::from(weight));
        self.total = self.total.wrapping_add(products);
        self.high = self.high.wrapping_add(products >> 16);
    }

    #[inline(always)]
    fn sums(self) -> [i32; 2] {
        [self.total.wrapping_sub(self.high << 16), self.high].map(u32::cast_signed)
    }
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
fn start_pooled(columns: &[[u32; 2]; COLUMNS], start: &mut [u32; START]) {
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
/// `[channel / 4][row][column][channel % 4]`.
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
                if let Some(slot) = row.as_chunks_mut().0.get_mut(x) {
                    *slot = interleave(low, high);
                }
            }
        }
    }
    start_pooled(&columns, start);
}

/// Expands 5 columns of 3 rows of activations, to
/// `[channel / 4][row][column][channel % 4]`.
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
            let pairs = [[p, r], [q, s], [r, t]];
            for (slot, [low, high]) in slots.as_chunks_mut().0.iter_mut().zip(pairs) {
                *slot = interleave(low, high);
            }
        }
    }
    let [p, q, r, s, t] = columns;
    let [left, middle, right] =
        [p + q + r, q + r + s, r + s + t].map(|sum| 0u32.wrapping_sub(sum << 7));
    let Lanes { total, high } = Lanes::new([left, right]);
    *start = [total, high, middle, 0];
}

/// The activation of a sum without its factor of 4 and its bias.
#[inline(always)]
fn activation(sum: i32, bias: u32, multiplier: u32) -> u32 {
    requantize(sum.wrapping_shl(2).wrapping_add(bias.cast_signed()), multiplier)
}

/// One pixel of a pooled convolution from the expanded window. `add` adds the
/// products of one column of outputs; the window of the right one starts
/// `step` words later.
#[inline(always)]
fn pool_with(
    conv: Conv<'_>,
    stage: Stage,
    scratch: &[u32],
    step: usize,
    pixel: &mut [u32],
    add: impl Fn(&mut Lanes, &[u32], &[u8]),
) {
    let Some((_, start)) = scratch.split_last_chunk::<START>() else { return };
    let mut records = chunks(conv.packed, record_len(stage, conv.inputs));
    for word in pixel {
        *word = 0;
        for (lane, record) in records.by_ref().take(QUAD).enumerate() {
            let [weights @ .., bias, multiplier] = record else { continue };
            let mut maximum = i32::MIN;
            let mut window = scratch;
            for [total, high] in start.as_chunks().0 {
                let mut lanes = Lanes { total: *total, high: *high };
                add(&mut lanes, window, bytemuck::cast_slice(weights));
                let [upper, lower] = lanes.sums();
                maximum = maximum.max(upper).max(lower);
                window = window.get(step..).unwrap_or_default();
            }
            *word |= activation(maximum, *bias, *multiplier) << (8 * lane);
        }
    }
}

/// One pixel of the first convolution from the expanded window.
#[inline(never)]
pub(super) fn pool_image(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::First, scratch, 1, pixel, |lanes, window, weights| {
        let rows = window.as_chunks::<COLUMNS>().0.iter().take(3 * conv.inputs);
        for ([p, q, r, _], [a, b, c]) in rows.zip(weights.as_chunks::<3>().0) {
            lanes.add(*p, *a);
            lanes.add(*q, *b);
            lanes.add(*r, *c);
        }
    });
}

/// One pixel of the second convolution from the expanded window.
#[inline(never)]
pub(super) fn pool(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::Second, scratch, QUAD, pixel, |lanes, window, weights| {
        let rows = weights.as_chunks::<{ 3 * QUAD }>().0;
        for (window, weights) in window.as_chunks::<{ COLUMNS * QUAD }>().0.iter().zip(rows) {
            for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
                lanes.add4(pixels, weights);
            }
        }
    });
}

/// Three neighbouring pixels of the third convolution from the expanded window.
#[inline(never)]
pub(super) fn convolve(conv: Conv<'_>, scratch: &[u32], out: &mut [u32]) {
    let Some((window, [total, high, middle, _])) = scratch.split_last_chunk() else { return };
    let mut pixels = chunks_mut(out, conv.outputs.div_ceil(QUAD));
    let (Some(left), Some(centre), Some(right)) = (pixels.next(), pixels.next(), pixels.next())
    else {
        return;
    };
    let mut records = chunks(conv.packed, record_len(Stage::Third, conv.inputs));
    for ((left, centre), right) in left.iter_mut().zip(centre).zip(right) {
        let mut words = [0; 3];
        for (lane, record) in records.by_ref().take(QUAD).enumerate() {
            let [weights @ .., bias, multiplier] = record else { continue };
            let weights: &[u8] = bytemuck::cast_slice(weights);
            let mut outer = Lanes { total: *total, high: *high };
            for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
                outer.add4(pixels, weights);
            }
            let middle = add_middle(*middle, window, weights).cast_signed();
            let [left, right] = outer.sums();
            for (word, sum) in words.iter_mut().zip([left, middle, right]) {
                *word |= activation(sum, *bias, *multiplier) << (8 * lane);
            }
        }
        [*left, *centre, *right] = words;
    }
}

/// Adds the products of the middle one of three pixels. Of a row's five
/// columns, it reads the second, the third and the fourth: the low halves of
/// the second and the third pairs, and the high half of the second.
#[inline(always)]
fn add_middle(mut sum: u32, window: &[u32], weights: &[u8]) -> u32 {
    let rows = weights.as_chunks::<{ 3 * QUAD }>().0;
    for (window, weights) in window.as_chunks::<{ PAIRS * QUAD }>().0.iter().zip(rows) {
        let ([_, p, q], [a, b, c]) = (window.as_chunks::<QUAD>().0, weights.as_chunks::<QUAD>().0)
        else {
            continue;
        };
        for ((((p, q), a), b), c) in p.iter().zip(q).zip(a).zip(b).zip(c) {
            sum = sum
                .wrapping_add((p & 0xFFFF).wrapping_mul(u32::from(*a)))
                .wrapping_add((q & 0xFFFF).wrapping_mul(u32::from(*b)))
                .wrapping_add((p >> 16).wrapping_mul(u32::from(*c)));
        }
    }
    sum
}
