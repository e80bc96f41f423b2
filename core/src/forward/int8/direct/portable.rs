//! The kernels in portable Rust: sums over [pairs of pixels](super::pairs).

use super::super::{Conv, QUAD, Stage, requantize};
use super::pack::record_len;
use super::pairs::{
    COLUMNS, IMAGE, PAIRS, POOLED, START, interleave, split_start, start_pooled, sum_of_bytes, word,
};
pub(super) use super::pairs::{expand_plain, window_len};
use crate::chunks::{chunks, chunks_mut};

/// The sums of two pixels.
#[derive(Clone, Copy)]
struct Lanes {
    total: u32,
    high: u32,
}

impl Lanes {
    /// Adds the products of a row of a channel. Written out: optimised for
    /// size, a loop would stay one.
    #[inline(always)]
    fn add3(&mut self, [p, q, r]: [&u32; 3], [a, b, c]: [&u8; 3]) {
        self.add(*p, *a);
        self.add(*q, *b);
        self.add(*r, *c);
    }

    #[inline(always)]
    fn add(&mut self, pixels: u32, weight: u8) {
        let products = pixels.wrapping_mul(u32::from(weight));
        self.total = self.total.wrapping_add(products);
        self.high = self.high.wrapping_add(products >> 16);
    }

    #[inline(always)]
    fn sums(self) -> [i32; 2] {
        let low = self.total.wrapping_sub(self.high << 16);
        [low.cast_signed(), self.high.cast_signed()]
    }
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
    start_pooled(columns, start);
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
    start_pooled(columns, start);
}

/// The activation of a sum without its factor of 4 and its bias.
#[inline(always)]
fn activation(sum: i32, bias: u32, multiplier: u32) -> u32 {
    requantize(sum.wrapping_shl(2).wrapping_add(bias.cast_signed()), multiplier)
}

/// One pixel of a pooled convolution from the expanded window. `add` adds the
/// products of one column of outputs; the window of the right one starts one
/// word later.
#[inline(always)]
fn pool_with(
    conv: Conv<'_>,
    stage: Stage,
    scratch: &[u32],
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
                window = window.get(1..).unwrap_or_default();
            }
            *word |= activation(maximum, *bias, *multiplier) << (8 * lane);
        }
    }
}

/// One pixel of the first convolution from the expanded window.
#[inline(never)]
pub(super) fn pool_image(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::First, scratch, pixel, |lanes, window, weights| {
        for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
            let [p, q, r, _, p2, q2, r2, _, p3, q3, r3, _] = pixels;
            let [a, b, c, a2, b2, c2, a3, b3, c3] = weights;
            lanes.add3([p, q, r], [a, b, c]);
            lanes.add3([p2, q2, r2], [a2, b2, c2]);
            lanes.add3([p3, q3, r3], [a3, b3, c3]);
        }
    });
}

/// One pixel of the second convolution from the expanded window.
#[inline(never)]
pub(super) fn pool(conv: Conv<'_>, scratch: &[u32], pixel: &mut [u32]) {
    pool_with(conv, Stage::Second, scratch, pixel, |lanes, window, weights| {
        for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
            let [p, q, r, _, p2, q2, r2, _, p3, q3, r3, _, p4, q4, r4, _] = pixels;
            let [a, a2, a3, a4, b, b2, b3, b4, c, c2, c3, c4] = weights;
            lanes.add3([p, q, r], [a, b, c]);
            lanes.add3([p2, q2, r2], [a2, b2, c2]);
            lanes.add3([p3, q3, r3], [a3, b3, c3]);
            lanes.add3([p4, q4, r4], [a4, b4, c4]);
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
            let mut middle = *middle;
            let rows = weights.as_chunks::<{ 3 * QUAD }>().0;
            for (window, weights) in window.as_chunks::<{ QUAD * PAIRS }>().0.iter().zip(rows) {
                let channels = window.as_chunks::<PAIRS>().0.iter();
                for ([p, q, r], [a, b, c]) in channels.zip(channels_of(weights)) {
                    outer.add3([p, q, r], [a, b, c]);
                    middle = middle.wrapping_add(middle_row([p, q, r], [a, b, c]));
                }
            }
            let [left, right] = outer.sums();
            for (word, sum) in words.iter_mut().zip([left, middle.cast_signed(), right]) {
                *word |= activation(sum, *bias, *multiplier) << (8 * lane);
            }
        }
        [*left, *centre, *right] = words;
    }
}

/// The weights of a row, channel by channel.
#[inline(always)]
fn channels_of(weights: &[u8; 3 * QUAD]) -> impl Iterator<Item = [&u8; 3]> {
    let (a, rest) = weights.split_at(QUAD);
    let (b, c) = rest.split_at(QUAD);
    a.iter().zip(b).zip(c).map(|((a, b), c)| [a, b, c])
}

/// The products of a row of a channel of the middle one of three pixels. Of the
/// five columns, it reads the second, the third and the fourth: the low halves
/// of the second and the third pairs, and the high half of the second.
#[inline(always)]
fn middle_row([_, p, q]: [&u32; 3], [a, b, c]: [&u8; 3]) -> u32 {
    (p & 0xFFFF) * u32::from(*a) + (q & 0xFFFF) * u32::from(*b) + (p >> 16) * u32::from(*c)
}
