//! The coder's words in the body of a file.

use crate::code::Coder;
use crate::model::ModelError;
use crate::{Network, file};

/// Words of the coder's thresholds, offsets and weights, each part padded with
/// zeros; `None` if there are more than 32 bits can count.
pub(super) fn words(network: &Network, outputs: usize, thresholds: usize) -> Option<[usize; 3]> {
    let weights = outputs.checked_mul(network.embedding_len())?;
    Some([thresholds.div_ceil(2), outputs, weights.div_ceil(4)])
}

/// A coder's outputs and number of thresholds.
pub(super) fn sizes(coder: Option<&Coder<'_>>) -> [usize; 2] {
    coder.map_or([0, 0], |coder| [coder.outputs(), coder.thresholds().len()])
}

/// Writes thresholds, offsets and weights.
pub(super) fn pack(network: &Network, coder: &Coder<'_>, words: &mut [u32]) {
    words.fill(0);
    let sizes = self::words(network, coder.outputs(), coder.thresholds().len());
    let mut rest: &mut [u8] = bytemuck::cast_slice_mut(words);
    let parts: [&[u8]; 3] = [
        bytemuck::cast_slice(coder.thresholds()),
        bytemuck::cast_slice(coder.offsets()),
        bytemuck::cast_slice(coder.weights()),
    ];
    for (size, part) in sizes.unwrap_or_default().into_iter().zip(parts) {
        let (bytes, after) = rest.split_at_mut_checked(4 * size).unwrap_or_default();
        for (byte, value) in bytes.iter_mut().zip(part) {
            *byte = *value;
        }
        rest = after;
    }
}

/// The inverse of [`pack`].
pub(super) fn open<'a>(
    network: &Network,
    outputs: usize,
    thresholds: usize,
    [threshold_words, offset_words, weight_words]: [&'a [u32]; 3],
) -> Result<Option<Coder<'a>>, ModelError> {
    if outputs == 0 && thresholds == 0 {
        return Ok(None);
    }
    let dimension = network.embedding_len();
    let (threshold_values, threshold_padding) = padded(threshold_words, thresholds)?;
    let (weights, weight_padding) = padded(weight_words, outputs * dimension)?;
    let is_padded = threshold_padding.iter().all(|&value: &u16| value == 0)
        && weight_padding.iter().all(|&value: &i8| value == 0);
    let offsets = bytemuck::cast_slice(offset_words);
    let coder = Coder::new(dimension, threshold_values, weights, offsets);
    match coder {
        Ok(coder) if is_padded => Ok(Some(coder)),
        _ => Err(ModelError::Coder),
    }
}

/// Words as smaller values: so many, and those behind them.
fn padded<T: bytemuck::AnyBitPattern>(
    words: &[u32],
    len: usize,
) -> Result<(&[T], &[T]), ModelError> {
    let values = file::values(bytemuck::cast_slice(words))?;
    values.split_at_checked(len).ok_or(ModelError::Coder)
}
