//! Convolutions as they are defined, product by product: packing `compact`,
//! one byte a weight.
//!
//! A window of the input is expanded into the scratch once, in the order in
//! which the kernel reads it; then every output channel passes over it.

#[cfg(arm_dsp)]
mod dsp;
mod pack;
#[cfg(not(arm_dsp))]
mod pairs;
#[cfg(not(any(arm_dsp, arm_v6m)))]
mod portable;
#[cfg(test)]
mod tests;
#[cfg(arm_v6m)]
mod v6m;

#[cfg(arm_dsp)]
use dsp as kernel;
pub(crate) use pack::{check, pack, packed_len, unpack};
#[cfg(not(any(arm_dsp, arm_v6m)))]
use portable as kernel;
#[cfg(arm_v6m)]
use v6m as kernel;

use super::{Conv, QUAD, Stage};
use crate::chunks::chunks_mut;

/// Rows and columns of output pixels that [`convolve`] computes at once.
pub(crate) const TILE: (usize, usize) = (1, 3);

/// Words that the kernels work in: as many as those of any target need.
pub(crate) const fn scratch_len(stage: Stage, inputs: usize, _outputs: usize) -> usize {
    let quads = inputs.div_ceil(QUAD);
    4 + match stage {
        Stage::First => 8 * (9 * inputs).div_ceil(QUAD),
        Stage::Second => 48 * quads,
        Stage::Third => 36 * quads,
    }
}

/// The same part of each row.
#[inline(always)]
fn columns<T>(rows: [&[T]; 4], start: usize, len: usize) -> Option<[&[T]; 4]> {
    let [a, b, c, d] = rows;
    let range = start..start + len;
    Some([a.get(range.clone())?, b.get(range.clone())?, c.get(range.clone())?, d.get(range)?])
}

/// Convolution, ReLU and 2x2 max-pooling of an image, `conv.inputs` bytes a
/// pixel: one row of pixels, each `conv.outputs.div_ceil(4)` words, from 4 rows.
///
/// Pixels that the rows are too short for are not written.
pub(crate) fn convolve_pool_image(
    conv: Conv<'_>,
    rows: [&[u8]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let len = kernel::window_len(Stage::First, conv.inputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    for (x, pixel) in chunks_mut(out, conv.outputs.div_ceil(QUAD)).enumerate() {
        let start = 2 * x * conv.inputs;
        let Some(rows) = columns(rows, start, 4 * conv.inputs) else { return };
        kernel::expand_image(rows, conv.inputs, window);
        kernel::pool_image(conv, window, pixel);
    }
}

/// Convolution, ReLU and 2x2 max-pooling: one row of pixels, each
/// `conv.outputs.div_ceil(4)` words, from 4 rows.
///
/// Pixels that the rows are too short for are not written.
pub(crate) fn convolve_pool(
    conv: Conv<'_>,
    rows: [&[u32]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let len = kernel::window_len(Stage::Second, conv.inputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    let quads = conv.inputs.div_ceil(QUAD);
    for (x, pixel) in chunks_mut(out, conv.outputs.div_ceil(QUAD)).enumerate() {
        let Some(rows) = columns(rows, 2 * x * quads, 4 * quads) else { return };
        kernel::expand_pooled(rows, quads, window);
        kernel::pool(conv, window, pixel);
    }
}

/// Convolution and ReLU of the three pixels from column `x` on, each
/// `conv.outputs.div_ceil(4)` words, from 3 rows.
///
/// What lies beyond the rows counts as 0.
pub(crate) fn convolve(
    conv: Conv<'_>,
    rows: &[&[u32]],
    x: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let len = kernel::window_len(Stage::Third, conv.inputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    let quads = conv.inputs.div_ceil(QUAD);
    let row = |y: usize| rows.get(y).and_then(|row| row.get(x * quads..)).unwrap_or_default();
    kernel::expand_plain([row(0), row(1), row(2)], quads, window);
    kernel::convolve(conv, window, out);
}
