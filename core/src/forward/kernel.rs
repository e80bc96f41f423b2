//! The convolution kernel: one block of output channels at a few pixels.
//!
//! Sums are plain multiplications and additions in one fixed order (bias, then
//! kernel row, kernel column, input channel), whatever the number of pixels:
//! the result has the same bits on every target.

use crate::chunks::chunks;

/// Output channels of a block of packed weights.
pub(crate) const BLOCK: usize = 8;

/// One value for each output channel of a block.
pub(crate) type Lanes = [f32; BLOCK];

/// Lanes that are summed in one go. On Arm, four pixels of four lanes take
/// half of the FPU's 32 registers and leave room for operands; eight lanes
/// would spill.
const STRIP: usize = if cfg!(target_arch = "arm") { BLOCK / 2 } else { BLOCK };

/// What `PIXELS` output pixels read: for each kernel row and each pixel, the
/// contiguous run of 3 columns x input channels.
pub(super) type Runs<'a, const PIXELS: usize> = [[&'a [f32]; PIXELS]; 3];

/// The sums of lanes `FIRST` to `FIRST + STRIP - 1` at each pixel.
#[inline(always)]
fn sums<const PIXELS: usize, const FIRST: usize>(
    block: &[Lanes],
    runs: &Runs<'_, PIXELS>,
) -> [[f32; STRIP]; PIXELS] {
    // The remainder is never taken; it shows the compiler that no index fails.
    let strip = |lanes: &Lanes| -> [f32; STRIP] {
        core::array::from_fn(|lane| lanes[(FIRST + lane) % BLOCK])
    };
    let Some((bias, weights)) = block.split_first() else {
        return [[0.0; STRIP]; PIXELS];
    };
    let mut sums = [strip(bias); PIXELS];
    for (weights, runs) in chunks(weights, weights.len() / 3).zip(runs) {
        // Equal lengths let the inner loop go without bounds checks.
        let mut runs = *runs;
        for run in &mut runs {
            match run.get(..weights.len()) {
                Some(exact) => *run = exact,
                None => return sums,
            }
        }
        for (i, weights) in weights.iter().enumerate() {
            let weights = strip(weights);
            for (sums, run) in sums.iter_mut().zip(runs) {
                let input = run.get(i).copied().unwrap_or_default();
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * input;
                }
            }
        }
    }
    sums
}

/// Convolution and ReLU of one block at each pixel.
#[inline(always)]
pub(super) fn rectified<const PIXELS: usize>(
    block: &[Lanes],
    runs: &Runs<'_, PIXELS>,
) -> [Lanes; PIXELS] {
    let mut out = [[0.0; BLOCK]; PIXELS];
    let mut store = |first: usize, sums: [[f32; STRIP]; PIXELS]| {
        for (values, sums) in out.iter_mut().zip(sums) {
            for (value, sum) in values.iter_mut().skip(first).zip(sums) {
                if sum > 0.0 {
                    *value = sum;
                }
            }
        }
    };
    store(0, sums::<PIXELS, 0>(block, runs));
    if STRIP < BLOCK {
        store(STRIP, sums::<PIXELS, STRIP>(block, runs));
    }
    out
}

/// Convolution and ReLU of one block, then the maximum over the pixels.
#[inline(always)]
pub(super) fn maximum<const PIXELS: usize>(block: &[Lanes], runs: &Runs<'_, PIXELS>) -> Lanes {
    // Starting from 0, the maximum is the ReLU too.
    let mut maxima = [0.0; BLOCK];
    let mut raise = |first: usize, sums: [[f32; STRIP]; PIXELS]| {
        for sums in sums {
            for (maximum, sum) in maxima.iter_mut().skip(first).zip(sums) {
                if sum > *maximum {
                    *maximum = sum;
                }
            }
        }
    };
    raise(0, sums::<PIXELS, 0>(block, runs));
    if STRIP < BLOCK {
        raise(STRIP, sums::<PIXELS, STRIP>(block, runs));
    }
    maxima
}
