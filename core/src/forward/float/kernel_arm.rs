//! The convolution kernel for Cortex-M with an FPU.
//!
//! Two pixels of eight lanes take half of the FPU's 32 registers: a load of
//! eight weights serves 16 multiply-adds.

use super::{BLOCK, Conv, Kernel, Lanes, Window};
use crate::machine::fpu::{convolve_pair, convolve_single, maxima};

/// Neighbours of a row that are computed together.
pub(super) const PIXELS: usize = 2;

/// [`Kernel`] in machine instructions.
#[derive(Clone, Copy)]
pub(super) struct Compiled;

impl Kernel for Compiled {
    /// The second pixel of a window with one is 0.
    #[inline(always)]
    fn rectified(
        self,
        conv: &Conv<'_>,
        window: &Window<'_, 3>,
        mut each: impl FnMut([Lanes; PIXELS]),
    ) {
        let Window { rows, columns, channels } = *window;
        for block in conv.blocks() {
            let sums = match columns {
                0..=3 => [convolve_single(block, rows, channels), [0.0; BLOCK]],
                _ => convolve_pair(block, rows, channels),
            };
            each(sums.map(|sums| sums.map(|sum| if sum > 0.0 { sum } else { 0.0 })));
        }
    }

    #[inline(always)]
    fn pool(self, conv: &Conv<'_>, window: &Window<'_, 4>, out: &mut [f32]) {
        let Window { rows, channels, .. } = *window;
        let (whole, rest) = out.as_chunks_mut();
        maxima(conv.packed, rows, channels, whole);
        if !rest.is_empty() {
            let mut last = [[0.0; BLOCK]];
            let block = conv.blocks().nth(whole.len()).unwrap_or_default();
            maxima(block, rows, channels, &mut last);
            rest.iter_mut().zip(last.as_flattened()).for_each(|(value, max)| *value = *max);
        }
    }
}
