//! One row of each stage of the network.
//!
//! With `simd` the stages are part of the caller, which is compiled to other
//! instructions; firmware has each once.

use super::kernel::PIXELS;
use super::{BLOCK, Kernel, Lanes, Window};
use crate::Network;
use crate::chunks::{chunks, chunks_mut};

/// The packed parameters of one convolution.
#[derive(Clone, Copy)]
pub(crate) struct Conv<'a> {
    /// For each block of output channels: the biases, then `[ky][kx][input]`.
    pub packed: &'a [Lanes],
    pub inputs: usize,
    pub outputs: usize,
}

impl<'a> Conv<'a> {
    /// The blocks' biases and weights.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = &'a [Lanes]> + use<'a> {
        chunks(self.packed, 9 * self.inputs + 1)
    }
}

/// Convolution, ReLU and 2x2 max-pooling: one row of pixels from 4 rows.
#[cfg_attr(feature = "simd", inline(always))]
pub(super) fn convolve_pool(
    kernel: impl Kernel,
    conv: Conv<'_>,
    rows: [&[f32]; 4],
    out: &mut [f32],
) {
    for (x, pixel) in chunks_mut(out, conv.outputs).enumerate() {
        let window = Window::new(&rows, conv.inputs, 2 * x, 4);
        kernel.pool(&conv, &window, pixel);
    }
}

/// Convolution and ReLU of row `y` from 3 rows, added to every cell of the
/// average-pooling grid that covers it.
#[cfg_attr(feature = "simd", inline(always))]
pub(super) fn convolve_accumulate(
    kernel: impl Kernel,
    conv: Conv<'_>,
    rows: [&[f32]; 3],
    y: usize,
    network: &Network,
    features: &mut [f32],
) {
    let (grid, shape) = (network.grid(), network.conv3());
    let cell_rows = network.grid_cells(y, shape.height);
    for x in (0..shape.width).step_by(PIXELS) {
        let pixels = PIXELS.min(shape.width - x);
        let window = Window::new(&rows, conv.inputs, x, pixels + 2);
        let cell_columns: [_; PIXELS] =
            core::array::from_fn(|pixel| network.grid_cells(x + pixel, shape.width));
        let mut channels = chunks_mut(features, grid * grid);
        kernel.rectified(
            &conv,
            &window,
            #[inline(always)]
            |values| {
                for (lane, channel) in channels.by_ref().take(BLOCK).enumerate() {
                    for row in chunks_mut(channel, grid).take(cell_rows.end).skip(cell_rows.start) {
                        for (values, columns) in values.iter().zip(&cell_columns) {
                            let value = values.get(lane).copied().unwrap_or_default();
                            // A column beyond the last is in no cell.
                            for sum in row.iter_mut().take(columns.end).skip(columns.start) {
                                *sum += value;
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Turns the sums of the grid's cells into means.
pub(super) fn divide_by_areas(network: &Network, features: &mut [f32]) {
    let (grid, shape) = (network.grid(), network.conv3());
    for channel in chunks_mut(features, grid * grid) {
        for (row_index, row) in chunks_mut(channel, grid).enumerate() {
            let height = network.grid_window(row_index, shape.height).len();
            for (column, value) in row.iter_mut().enumerate() {
                *value /= (height * network.grid_window(column, shape.width).len()) as f32;
            }
        }
    }
}
