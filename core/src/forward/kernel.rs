//! The convolution kernel: one block of output channels at a few pixels.
//!
//! Sums are multiplications and additions in one fixed order (bias, then
//! kernel row, kernel column, input channel), whatever the number of pixels:
//! the result has the same bits on every target, except those whose
//! multiply-add is fused and rounds once.

/// Output channels of a block of packed weights.
pub(crate) const BLOCK: usize = 8;

/// One value for each output channel of a block.
pub(crate) type Lanes = [f32; BLOCK];

/// What `PIXELS` output pixels read: for each kernel row and each pixel, the
/// contiguous run of 3 columns x input channels.
pub(super) type Runs<'a, const PIXELS: usize> = [[&'a [f32]; PIXELS]; 3];

/// The sums of one block at each pixel.
#[cfg(not(arm_vfma))]
#[inline(always)]
fn sums<const PIXELS: usize>(block: &[Lanes], runs: &Runs<'_, PIXELS>) -> [Lanes; PIXELS] {
    let Some((bias, weights)) = block.split_first() else {
        return [[0.0; BLOCK]; PIXELS];
    };
    let mut sums = [*bias; PIXELS];
    for (weights, runs) in weights.chunks_exact((weights.len() / 3).max(1)).zip(runs) {
        // Equal lengths let the inner loop go without bounds checks.
        let mut runs = *runs;
        for run in &mut runs {
            match run.get(..weights.len()) {
                Some(exact) => *run = exact,
                None => return sums,
            }
        }
        for (i, weights) in weights.iter().enumerate() {
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

/// The sums of one block at each pixel: two pixels of eight lanes take half of
/// the FPU's 32 registers and leave room for operands.
#[cfg(arm_vfma)]
#[inline(always)]
fn sums<const PIXELS: usize>(block: &[Lanes], runs: &Runs<'_, PIXELS>) -> [Lanes; PIXELS] {
    let mut sums = [[0.0; BLOCK]; PIXELS];
    let (pairs, last) = sums.as_chunks_mut::<2>();
    let pairs_len = 2 * pairs.len();
    for (pair, sums) in pairs.iter_mut().enumerate() {
        let runs = runs.map(|row| core::array::from_fn(|i| row.get(2 * pair + i).copied().unwrap_or_default()));
        *sums = crate::machine::convolve::<2>(block, &runs).unwrap_or_default();
    }
    if let [sums] = last {
        let runs = runs.map(|row| [row.get(pairs_len).copied().unwrap_or_default()]);
        [*sums] = crate::machine::convolve::<1>(block, &runs).unwrap_or_default();
    }
    sums
}

/// Convolution and ReLU of one block at each pixel.
#[inline(always)]
pub(super) fn rectified<const PIXELS: usize>(
    block: &[Lanes],
    runs: &Runs<'_, PIXELS>,
) -> [Lanes; PIXELS] {
    sums(block, runs).map(|sums| sums.map(|sum| if sum > 0.0 { sum } else { 0.0 }))
}

/// Convolution and ReLU of one block, then the maximum over the pixels.
#[inline(always)]
pub(super) fn maximum<const PIXELS: usize>(block: &[Lanes], runs: &Runs<'_, PIXELS>) -> Lanes {
    // Starting from 0, the maximum is the ReLU too.
    let mut maxima = [0.0; BLOCK];
    for sums in sums(block, runs) {
        for (maximum, sum) in maxima.iter_mut().zip(sums) {
            if sum > *maximum {
                *maximum = sum;
            }
        }
    }
    maxima
}
