//! The order of a model file's f32 parameters: the one in which the forward
//! pass reads them.
//!
//! For each convolution, for each block of 8 output channels, rows of 8 values:
//! the biases, then `[ky][kx][input]`. Lanes beyond the last output channel are
//! 0. The classifier follows as `[class][embedding]`, then its biases.

use crate::forward::float::{BLOCK, Conv};
use crate::{Network, Tensor};

/// Values of one packed convolution.
const fn conv_len(inputs: usize, outputs: usize) -> usize {
    outputs.div_ceil(BLOCK) * BLOCK * (9 * inputs + 1)
}

/// Input and output channels of the three convolutions.
const fn channels(network: &Network) -> [[usize; 2]; 3] {
    let [a, b, d] = network.widths();
    [[network.input().channels, a], [a, b], [b, d]]
}

/// Values of the packed convolutions, which alone determine the embedding.
pub(super) const fn embedding_part(network: &Network) -> usize {
    let [[c, a], [_, b], [_, d]] = channels(network);
    conv_len(c, a) + conv_len(a, b) + conv_len(b, d)
}

/// Values of all packed parameters.
pub(super) const fn len(network: &Network) -> usize {
    embedding_part(network) + network.classes() * (network.embedding_len() + 1)
}

/// Bytes of each layer's packed parameters: three convolutions, the classifier.
pub(super) const fn layer_bytes(network: &Network) -> [usize; 4] {
    let [[c, a], [_, b], [_, d]] = channels(network);
    let classifier = network.classes() * (network.embedding_len() + 1);
    [4 * conv_len(c, a), 4 * conv_len(a, b), 4 * conv_len(b, d), 4 * classifier]
}

/// The packed convolutions, and the classifier's weights and biases.
pub(super) fn views<'a>(network: &Network, packed: &'a [f32]) -> ([Conv<'a>; 3], [&'a [f32]; 2]) {
    let mut rest = packed;
    let mut take = |len| {
        let (part, after) = rest.split_at_checked(len).unwrap_or_default();
        rest = after;
        part
    };
    let convs = channels(network).map(|[inputs, outputs]| {
        let (packed, _) = take(conv_len(inputs, outputs)).as_chunks();
        Conv { packed, inputs, outputs }
    });
    let classifier = [network.classes() * network.embedding_len(), network.classes()].map(take);
    (convs, classifier)
}

/// For each packed value, its index in the flat vector of
/// [`Network::tensors`]; none for a lane that fills up a block.
fn order(network: &Network) -> impl Iterator<Item = Option<usize>> {
    let [w1, b1, w2, b2, w3, b3, w4, b4] = network.tensors();
    let [c1, c2, c3] = channels(network);
    conv_order(w1, b1, c1)
        .chain(conv_order(w2, b2, c2))
        .chain(conv_order(w3, b3, c3))
        .chain(w4.range().chain(b4.range()).map(Some))
}

fn conv_order(
    weight: Tensor,
    bias: Tensor,
    [inputs, outputs]: [usize; 2],
) -> impl Iterator<Item = Option<usize>> {
    (0..conv_len(inputs, outputs)).map(move |position| {
        // Neither is 0 in a checked network; `max` tells the compiler so.
        let (inputs, rows) = (inputs.max(1), (9 * inputs + 1).max(1));
        let (row, lane) = (position / BLOCK, position % BLOCK);
        let output = row / rows * BLOCK + lane;
        let index = match (row % rows).checked_sub(1) {
            None => bias.offset + output,
            Some(row) => {
                let (tap, input) = (row / inputs, row % inputs);
                weight.offset + (output * inputs + input) * 9 + tap
            }
        };
        (output < outputs).then_some(index)
    })
}

/// Packs a flat vector of parameters as little-endian bytes.
pub(super) fn pack(network: &Network, parameters: &[f32], body: &mut [u8]) {
    let (packed, _) = body.as_chunks_mut::<4>();
    for (bytes, index) in packed.iter_mut().zip(order(network)) {
        let value = index.and_then(|index| parameters.get(index)).copied().unwrap_or_default();
        *bytes = value.to_le_bytes();
    }
}

/// The inverse of [`pack`].
pub(super) fn unpack(network: &Network, packed: &[f32], parameters: &mut [f32]) {
    for (value, index) in packed.iter().zip(order(network)) {
        if let Some(parameter) = index.and_then(|index| parameters.get_mut(index)) {
            *parameter = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn every_parameter_is_packed_once(
            channels in 1u16..5, a in 1u16..20, b in 1u16..20, d in 1u16..20, classes in 0u16..5,
        ) {
            let network = Network::new([channels, 18, 20], [a, b, d], 2, classes).unwrap();
            let order: Vec<_> = order(&network).collect();
            prop_assert_eq!(order.len(), len(&network));
            let mut counts = vec![0; network.parameters()];
            for index in order.into_iter().flatten() {
                counts[index] += 1;
            }
            prop_assert_eq!(counts, vec![1; network.parameters()]);
        }
    }

    #[test]
    fn blocks_hold_biases_then_kernel_rows() {
        let network = Network::new([2, 18, 18], [9, 1, 1], 1, 0).unwrap();
        let order: Vec<_> = order(&network).collect();
        let bias = 9 * 2 * 9;
        let rows = 1 + 9 * 2;
        assert_eq!(order[0], Some(bias));
        // Lane 7 of kernel position (1, 2), input 1: weight [7][1][1][2].
        assert_eq!(order[8 * (1 + 5 * 2 + 1) + 7], Some((7 * 2 + 1) * 9 + 5));
        assert_eq!(order[8 * rows..][..3], [Some(bias + 8), None, None]);
    }
}
