//! The convolution kernel: one block of output channels at a few pixels.
//!
//! Sums are plain multiplications and additions in one fixed order (bias, then
//! kernel row, kernel column, input channel): the result has the same bits on
//! every target that has no kernel in fused multiply-adds.

use super::{BLOCK, Conv, Kernel, Lanes, Window};
use crate::chunks::chunks;

/// Pixels that are computed together: a pooling window, or neighbours of a row.
pub(super) const PIXELS: usize = 4;

/// What four output pixels read: for each kernel row and each pixel, the
/// contiguous run of 3 columns x input channels.
pub(super) type Runs<'a> = [[&'a [f32]; PIXELS]; 3];

impl<'a, const ROWS: usize> Window<'a, ROWS> {
    /// What the pixel at `column` reads of a row.
    #[inline(always)]
    fn run(&self, row: usize, column: usize) -> &'a [f32] {
        let start = column * self.channels;
        let row = self.rows.get(row).copied().unwrap_or_default();
        row.get(start..start + 3 * self.channels).unwrap_or_default()
    }
}

impl<'a> Window<'a, 3> {
    /// What neighbours of a row read. A window with fewer pixels repeats its last.
    #[inline(always)]
    pub fn neighbours(&self) -> Runs<'a> {
        let last = self.columns.saturating_sub(3);
        core::array::from_fn(|row| core::array::from_fn(|pixel| self.run(row, pixel.min(last))))
    }
}

impl<'a> Window<'a, 4> {
    /// What the pixels of a pooling window read.
    #[inline(always)]
    pub fn square(&self) -> Runs<'a> {
        core::array::from_fn(|row| {
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(y, x)| self.run(row + y, x))
        })
    }
}

/// [`Kernel`] in portable Rust.
#[derive(Clone, Copy)]
pub(super) struct Compiled;

impl Kernel for Compiled {
    #[inline(always)]
    fn rectified(
        self,
        conv: &Conv<'_>,
        window: &Window<'_, 3>,
        mut each: impl FnMut([Lanes; PIXELS]),
    ) {
        let runs = window.neighbours();
        for block in conv.blocks() {
            each(sums(block, &runs).map(|sums| sums.map(|sum| if sum > 0.0 { sum } else { 0.0 })));
        }
    }

    #[inline(always)]
    fn pool(self, conv: &Conv<'_>, window: &Window<'_, 4>, out: &mut [f32]) {
        let runs = window.square();
        for (values, block) in out.chunks_mut(BLOCK).zip(conv.blocks()) {
            // Starting from 0, the maximum is the ReLU too.
            let mut maxima = [0.0; BLOCK];
            for sums in sums(block, &runs) {
                for (maximum, sum) in maxima.iter_mut().zip(sums) {
                    if sum > *maximum {
                        *maximum = sum;
                    }
                }
            }
            values.iter_mut().zip(maxima).for_each(|(value, maximum)| *value = maximum);
        }
    }
}

/// The sums of each pixel.
#[inline(always)]
fn sums(block: &[Lanes], runs: &Runs<'_>) -> [Lanes; PIXELS] {
    let Some((bias, weights)) = block.split_first() else { return [[0.0; BLOCK]; PIXELS] };
    let mut sums = [*bias; PIXELS];
    for (weights, [a, b, c, d]) in chunks(weights, weights.len() / 3).zip(runs) {
        for ((((weights, a), b), c), d) in weights.iter().zip(*a).zip(*b).zip(*c).zip(*d) {
            for (sums, input) in sums.iter_mut().zip([a, b, c, d]) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * input;
                }
            }
        }
    }
    sums
}
