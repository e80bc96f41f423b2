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
pub(super) const STRIP: usize = if cfg!(target_arch = "arm") { BLOCK / 2 } else { BLOCK };

/// What four output pixels read: for each kernel row and each pixel, the
/// contiguous run of 3 columns x input channels.
pub(super) type Runs<'a> = [[&'a [f32]; PIXELS]; 3];

/// The sums of a strip of lanes at each pixel.
type Sums<const STRIP: usize> = [[f32; STRIP]; PIXELS];

/// The sums of lanes `FIRST` to `FIRST + STRIP - 1`.
#[inline(always)]
fn sums<const FIRST: usize, const STRIP: usize>(block: &[Lanes], runs: &Runs<'_>) -> Sums<STRIP> {
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
fn each_strip<const STRIP: usize>(
    block: &[Lanes],
    runs: &Runs<'_>,
    mut take: impl FnMut(usize, Sums<STRIP>),
) {
    take(0, sums::<0, STRIP>(block, runs));
    if STRIP < BLOCK {
        take(STRIP, sums::<STRIP, STRIP>(block, runs));
    }
}

/// Convolution and ReLU of one block at each pixel.
#[inline(always)]
pub(super) fn rectified<const STRIP: usize>(block: &[Lanes], runs: &Runs<'_>) -> [Lanes; PIXELS] {
    let mut out = [[0.0; BLOCK]; PIXELS];
    each_strip::<STRIP>(block, runs, |first, sums| {
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
pub(super) fn maximum<const STRIP: usize>(block: &[Lanes], runs: &Runs<'_>) -> Lanes {
    // Starting from 0, the maximum is the ReLU too.
    let mut maxima = [0.0; BLOCK];
    each_strip::<STRIP>(block, runs, |first, sums| {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts and Arm take strips of different lengths.
    #[test]
    fn strips_of_any_length_give_the_same_bits() {
        const RUN: usize = 3 * 5;
        let noise = |i: usize| ((i * 7919 + 17) % 1009) as f32 / 504.5 - 1.0;
        let block: [Lanes; 1 + 3 * RUN] =
            core::array::from_fn(|row| core::array::from_fn(|lane| noise(BLOCK * row + lane)));
        let row: [f32; RUN + 6] = core::array::from_fn(|i| noise(3 * i));
        let runs =
            core::array::from_fn(|ky| core::array::from_fn(|pixel| &row[ky + pixel..][..RUN]));
        let rectified_by_8 = rectified::<8>(&block, &runs);
        assert_eq!(rectified::<4>(&block, &runs), rectified_by_8);
        assert!(rectified_by_8.iter().flatten().any(|&value| value > 0.0));
        let maximum_by_8 = maximum::<8>(&block, &runs);
        assert_eq!(maximum::<4>(&block, &runs), maximum_by_8);
        for (lane, maximum) in maximum_by_8.into_iter().enumerate() {
            assert!(rectified_by_8.iter().any(|values| values[lane] == maximum));
            assert!(rectified_by_8.iter().all(|values| values[lane] <= maximum));
        }
    }
}
