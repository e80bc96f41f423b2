//! The kernels in portable Rust: sums over [pairs of pixels](super::pairs).

use super::super::{Conv, QUAD, Stage, requantize};
use super::pack::record_len;
use super::pairs::START;
pub(super) use super::pairs::{expand_image, expand_plain, expand_pooled, window_len};
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
        [self.total.wrapping_sub(self.high << 16), self.high].map(u32::cast_signed)
    }
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
        let rows = window.as_chunks().0.iter().take(3 * conv.inputs);
        for ([p, q, r, _], [a, b, c]) in rows.zip(weights.as_chunks().0) {
            lanes.add3([p, q, r], [a, b, c]);
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
            for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
                let [p, q, r, p2, q2, r2, p3, q3, r3, p4, q4, r4] = pixels;
                let [a, a2, a3, a4, b, b2, b3, b4, c, c2, c3, c4] = weights;
                outer.add3([p, q, r], [a, b, c]);
                outer.add3([p2, q2, r2], [a2, b2, c2]);
                outer.add3([p3, q3, r3], [a3, b3, c3]);
                outer.add3([p4, q4, r4], [a4, b4, c4]);
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
    for (pixels, weights) in window.as_chunks().0.iter().zip(weights.as_chunks().0) {
        let [_, p, q, _, p2, q2, _, p3, q3, _, p4, q4] = pixels;
        let [a, a2, a3, a4, b, b2, b3, b4, c, c2, c3, c4] = weights;
        let products = [
            middle_row([p, q], [a, b, c]),
            middle_row([p2, q2], [a2, b2, c2]),
            middle_row([p3, q3], [a3, b3, c3]),
            middle_row([p4, q4], [a4, b4, c4]),
        ];
        sum = products.into_iter().fold(sum, u32::wrapping_add);
    }
    sum
}

#[inline(always)]
fn middle_row([p, q]: [&u32; 2], weights: [&u8; 3]) -> u32 {
    let [a, b, c] = weights.map(|&weight| u32::from(weight));
    (p & 0xFFFF) * a + (q & 0xFFFF) * b + (p >> 16) * c
}
