//! The convolution kernel for Cortex-M with an FPU.
//!
//! Two pixels of eight lanes take half of the FPU's 32 registers: a load of
//! eight weights serves 16 multiply-adds.

use super::{BLOCK, Lanes, Window};
use crate::machine::{convolve_pair, convolve_single};

/// Neighbours of a row that are computed together.
pub(super) const PIXELS: usize = 2;

/// As the portable kernel's; the second pixel of a window with one is 0.
#[inline(always)]
pub(super) fn rectified(block: &[Lanes], window: &Window<'_, 3>) -> [Lanes; PIXELS] {
    let Window { rows, columns, channels } = *window;
    let sums = match columns {
        0..=3 => [convolve_single(block, rows, channels), [0.0; BLOCK]],
        _ => convolve_pair(block, rows, channels),
    };
    sums.map(|sums| sums.map(|sum| if sum > 0.0 { sum } else { 0.0 }))
}

/// As the portable kernel's.
#[inline(always)]
pub(super) fn maximum(block: &[Lanes], window: &Window<'_, 4>) -> Lanes {
    let Window { rows: [r0, r1, r2, r3], channels, .. } = *window;
    let [a, b] = convolve_pair(block, [r0, r1, r2], channels);
    let [c, d] = convolve_pair(block, [r1, r2, r3], channels);
    core::array::from_fn(|lane| {
        // As integers, the bits of positive numbers are in the numbers' order,
        // and those of negative ones are below 0.
        let bits = |sums: &Lanes| sums.get(lane).map_or(0, |sum| sum.to_bits().cast_signed());
        let maximum = bits(&a).max(bits(&b)).max(bits(&c)).max(bits(&d)).max(0);
        f32::from_bits(maximum.cast_unsigned())
    })
}
