//! The convolution kernel: one block of output channels at four pixels.
//!
//! Sums are plain multiplications and additions in one fixed order (bias, then
//! kernel row, kernel column, input channel): the result has the same bits on
//! every target.

use crate::chunks::chunks;

/// Output channels of a block of packed weights.
pub(crate) const BLOCK: usize = 8;

/// One value for each output channel of a block.
pub(crate) type Lanes = [f32; BLOCK];

/// Pixels that are computed together: a pooling window, or neighbours of a row.
pub(super) const PIXELS: usize = 4;

/// Lanes that are summed in one go. On Arm, four pixels of four lanes take
/// half of the FPU's 32 registers and leave room for operands; eight lanes
/// would spill.
const STRIP: usize = if cfg!(target_arch = "arm") { BLOCK / 2 } else { BLOCK };

/// What four output pixels read: for each kernel row and each pixel, the
/// contiguous run of 3 columns x input channels.
pub(super) type Runs<'a> = [[&'a [f32]; PIXELS]; 3];

/// The sums of a strip of lanes at each pixel.
type Sums = [[f32; STRIP]; PIXELS];

/// The sums of lanes `FIRST` to `FIRST + STRIP - 1`.
#[inline(always)]
fn sums<const FIRST: usize>(block: &[Lanes], runs: &Runs<'_>) -> Sums {
    // The remainder is never taken; it shows the compiler that no index fails.
    let strip = |lanes: &Lanes| -> [f32; STRIP] {
        core::array::from_fn(|lane| lanes[(FIRST + lane) % BLOCK])
    };
    let Some((bias, weights)) = block.split_first() else { return [[0.0; STRIP]; PIXELS] };
    let mut sums = [strip(bias); PIXELS];
    for (weights, [a, b, c, d]) in chunks(weights, weights.len() / 3).zip(runs) {
        for ((((weights, a), b), c), d) in weights.iter().zip(*a).zip(*b).zip(*c).zip(*d) {
            let weights = strip(weights);
            for (sums, input) in sums.iter_mut().zip([a, b, c, d]) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * input;
                }
            }
        }
    }
    sums
}

/// Calls `take` with the first lane and the sums of each strip.
#[inline(always)]
fn each_strip(block: &[Lanes], runs: &Runs<'_>, mut take: impl FnMut(usize, Sums)) {
    take(0, sums::<0>(block, runs));
    if STRIP < BLOCK {
        take(STRIP, sums::<STRIP>(block, runs));
    }
}

/// Convolution and ReLU of one block at each pixel.
#[inline(always)]
pub(super) fn rectified(block: &[Lanes], runs: &Runs<'_>) -> [Lanes; PIXELS] {
    let mut out = [[0.0; BLOCK]; PIXELS];
    each_strip(block, runs, |first, sums| {
        for (values, sums) in out.iter_mut().zip(sums) {
            for (value, sum) in values.iter_mut().skip(first).zip(sums) {
                if sum > 0.0 {
                    *value = sum;
                }
            }
        }
    });
    out
}

/// Convolution and ReLU of one block, then the maximum over the pixels.
#[inline(always)]
pub(super) fn maximum(block: &[Lanes], runs: &Runs<'_>) -> Lanes {
    // Starting from 0, the maximum is the ReLU too.
    let mut maxima = [0.0; BLOCK];
    each_strip(block, runs, |first, sums| {
        for sums in sums {
            for (maximum, sum) in maxima.iter_mut().skip(first).zip(sums) {
                if sum > *maximum {
                    *maximum = sum;
                }
            }
        }
    });
    maxima
}
