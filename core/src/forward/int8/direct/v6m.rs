//! The kernels for Cortex-M0 and its like: sums over [pairs of
//! pixels](super::pairs).

use super::super::{Conv, QUAD};
use super::pairs::{COLUMNS, IMAGE, POOLED, split_start, start_pooled, start_square};
pub(super) use super::pairs::{expand_plain, window_len};
use crate::machine::v6m::direct::{self as machine, COLUMN};

/// Expands 4 columns of 4 rows of an image, to `[channel][row][column]`.
pub(super) fn expand_image(rows: [&[u8]; 4], channels: usize, scratch: &mut [u32]) {
    let Some((window, start)) = split_start(scratch) else { return };
    let mut sums = [[0; 2]; 2];
    for (channel, window) in window.as_chunks_mut::<IMAGE>().0.iter_mut().enumerate() {
        let rows = rows.map(|row| row.get(channel..).unwrap_or_default());
        let pairs = machine::expand_channel(rows, channels, window);
        for ([upper, lower], pairs) in sums.iter_mut().zip(pairs) {
            *upper += pairs & 0xFFFF;
            *lower += pairs >> 16;
        }
    }
    start_square(sums, start);
}

/// Expands 4 columns of 4 rows of activations, to
/// `[channel / 4][row][channel % 4][column]`.
pub(super) fn expand_pooled(rows: [&[u32]; 4], quads: usize, scratch: &mut [u32]) {
    let Some((window, start)) = split_start(scratch) else { return };
    let mut columns = [[0; 2]; COLUMNS];
    for (x, [upper, lower]) in columns.iter_mut().enumerate() {
        for quad in (0..quads).step_by(COLUMN) {
            let range = x * quads + quad..x * quads + quads.min(quad + COLUMN);
            let rows = rows.map(|row| row.get(range.clone()).unwrap_or_default());
            let window = window.get_mut(POOLED * quad + x..).unwrap_or_default();
            let pairs = machine::expand_column(rows, window);
            *upper += pairs & 0xFFFF;
            *lower += pairs >> 16;
        }
    }
    start_pooled(columns, start);
}

/// One pixel of the first convolution from the expanded window.
pub(super) fn pool_image(conv: Conv<'_>, window: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    machine::pool_image(conv.packed, conv.inputs, conv.outputs, window, pixel);
}

/// One pixel of the second convolution from the expanded window.
pub(super) fn pool(conv: Conv<'_>, window: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    machine::pool(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, window, pixel);
}

/// Three neighbouring pixels of the third convolution from the expanded window.
pub(super) fn convolve(conv: Conv<'_>, window: &[u32], out: &mut [u32]) {
    out.fill(0);
    machine::convolve(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, window, out);
}
