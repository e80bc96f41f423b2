//! The packed parameters of a convolution.
//!
//! Each output channel has a record of words, one after the other:
//!
//! 1. the weights, four to a word, the first in the lowest byte; each byte is
//!    the weight + 128, from 1 to 255;
//! 2. the bias;
//! 3. the multiplier.
//!
//! In the first convolution the bytes are in the order `[input][ky][kx]`, so
//! that few inputs fill their words; in the others in the order
//! `[input / 4][ky][kx][input % 4]`, so that a word's weights belong to a word
//! of activations. Bytes to the end of a word, and those of channels to the end
//! of four, are 128: the weight 0.

use super::super::{Conv, QUAD, Stage};
use crate::QuantizedConv;
use crate::chunks::{chunks, chunks_mut};

/// Weights of one input and one output channel.
pub(super) const TAPS: usize = 9;
/// Largest bias.
const MAX_BIAS: u32 = 1 << 30;
/// A word of the weights 0.
const ZEROS: u32 = 0x8080_8080;

/// Words of an output channel.
pub(super) const fn record_len(stage: Stage, inputs: usize) -> usize {
    2 + match stage {
        Stage::First => (TAPS * inputs).div_ceil(QUAD),
        Stage::Second | Stage::Third => TAPS * inputs.div_ceil(QUAD),
    }
}

/// Words of the packed parameters.
pub(crate) const fn packed_len(stage: Stage, inputs: usize, outputs: usize) -> usize {
    outputs * record_len(stage, inputs)
}

/// The byte of a record's weights that holds the weight of an input channel and
/// a tap.
const fn position(stage: Stage, input: usize, tap: usize) -> usize {
    match stage {
        Stage::First => TAPS * input + tap,
        Stage::Second | Stage::Third => (input / QUAD * TAPS + tap) * QUAD + input % QUAD,
    }
}

/// The input channel of a byte of a record's weights.
const fn input_at(stage: Stage, position: usize) -> usize {
    match stage {
        Stage::First => position / TAPS,
        Stage::Second | Stage::Third => position / (QUAD * TAPS) * QUAD + position % QUAD,
    }
}

/// Packs a convolution; `out` has [`packed_len`] words.
pub(crate) fn pack(stage: Stage, conv: &QuantizedConv<'_>, out: &mut [u32]) {
    out.fill(ZEROS);
    let parameters = conv.biases.iter().zip(conv.multipliers);
    let kernels = chunks(conv.weights, TAPS * conv.inputs);
    let records = chunks_mut(out, record_len(stage, conv.inputs));
    for ((record, (bias, multiplier)), kernels) in records.zip(parameters).zip(kernels) {
        let [weights @ .., first, second] = record else { continue };
        *first = bias.cast_unsigned();
        *second = *multiplier;
        for (input, kernel) in chunks(kernels, TAPS).enumerate() {
            for (tap, weight) in kernel.iter().enumerate() {
                let position = position(stage, input, tap);
                if let Some(word) = weights.get_mut(position / QUAD) {
                    *word ^= u32::from(weight.cast_unsigned()) << (8 * (position % QUAD));
                }
            }
        }
    }
}

/// Whether the parameters are what [`pack`] writes for values in their ranges.
pub(crate) fn check(stage: Stage, conv: &Conv<'_>) -> bool {
    conv.packed.len() == packed_len(stage, conv.inputs, conv.outputs)
        && chunks(conv.packed, record_len(stage, conv.inputs))
            .all(|record| is_record(stage, conv.inputs, record))
}

fn is_record(stage: Stage, inputs: usize, record: &[u32]) -> bool {
    let [weights @ .., bias, multiplier] = record else { return false };
    let weights = weights.iter().flat_map(|word| word.to_le_bytes());
    bias.cast_signed().unsigned_abs() <= MAX_BIAS
        && multiplier.cast_signed() >= 0
        && weights.enumerate().all(|(position, byte)| {
            if input_at(stage, position) < inputs { byte != 0 } else { byte == 128 }
        })
}

/// Undoes [`pack`].
pub(crate) fn unpack(
    stage: Stage,
    conv: &Conv<'_>,
    weights: &mut [i8],
    biases: &mut [i32],
    multipliers: &mut [u32],
) {
    let parameters = biases.iter_mut().zip(multipliers);
    let kernels = chunks_mut(weights, TAPS * conv.inputs);
    let records = chunks(conv.packed, record_len(stage, conv.inputs));
    for ((record, (bias, multiplier)), kernels) in records.zip(parameters).zip(kernels) {
        let [words @ .., first, second] = record else { continue };
        *bias = first.cast_signed();
        *multiplier = *second;
        for (input, kernel) in chunks_mut(kernels, TAPS).enumerate() {
            for (tap, weight) in kernel.iter_mut().enumerate() {
                let position = position(stage, input, tap);
                let word = words.get(position / QUAD).map_or(ZEROS, |word| word ^ ZEROS);
                *weight = (word >> (8 * (position % QUAD))) as i8;
            }
        }
    }
}
