//! Convolutions as they are defined, product by product: packing `compact`,
//! one byte a weight.
//!
//! A window of the input is expanded into the scratch once, in the order in
//! which the kernel reads it; then every output channel passes over it.

mod pack;
mod portable;
#[cfg(test)]
mod tests;

pub(crate) use pack::{check, pack, packed_len, unpack};
use portable as kernel;

use super::{Conv, QUAD, Stage};
use crate::chunks::chunks_mut;

/// Rows and columns of output pixels that [`convolve`] computes at once.
pub(crate) const TILE: (usize, usize) = (1, 3);

/// Words that the kernels work in.
pub(crate) const fn scratch_len(stage: Stage, inputs: usize, _outputs: usize) -> usize {
    kernel::START
        + match stage {
            Stage::First => kernel::IMAGE * inputs,
            Stage::Second => kernel::POOLED * inputs.div_ceil(QUAD),
            Stage::Third => kernel::PLAIN * inputs.div_ceil(QUAD),
        }
}

/// Convolution, ReLU and 2x2 max-pooling of an image, `conv.inputs` bytes a
/// pixel: one row of pixels, each `conv.outputs.div_ceil(4)` words, from 4 rows.
///
/// What a row is too short for counts as 0.
pub(crate) fn convolve_pool_image(
    conv: Conv<'_>,
    rows: [&[u8]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let len = scratch_len(Stage::First, conv.inputs, conv.outputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    for (x, pixel) in chunks_mut(out, conv.outputs.div_ceil(QUAD)).enumerate() {
        let start = 2 * x * conv.inputs;
        kernel::expand_image(rows.map(|row| row.get(start..).unwrap_or_default()), window);
        kernel::pool_image(conv, window, pixel);
    }
}

/// Convolution, ReLU and 2x2 max-pooling: one row of pixels, each
/// `conv.outputs.div_ceil(4)` words, from 4 rows.
///
/// What a row is too short for counts as 0.
pub(crate) fn convolve_pool(
    conv: Conv<'_>,
    rows: [&[u32]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let len = scratch_len(Stage::Second, conv.inputs, conv.outputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    for (x, pixel) in chunks_mut(out, conv.outputs.div_ceil(QUAD)).enumerate() {
        let start = 2 * x * conv.inputs.div_ceil(QUAD);
        kernel::expand_pooled(rows.map(|row| row.get(start..).unwrap_or_default()), window);
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
    let len = scratch_len(Stage::Third, conv.inputs, conv.outputs);
    let Some(window) = scratch.get_mut(..len) else { return };
    let start = x * conv.inputs.div_ceil(QUAD);
    let row = |y: usize| rows.get(y).and_then(|row| row.get(start..)).unwrap_or_default();
    kernel::expand_plain([row(0), row(1), row(2)], window);
    kernel::convolve(conv, window, out);
}
