//! The forward pass in integers.
//!
//! Activations are `u8` with zero point 0, weights `i8`, sums `i32`. A
//! convolution's output y is, with its bias b in quarters of a product, its
//! multiplier m, and the sum over the window's inputs x and weights w:
//!
//! ```text
//! a = b + 4 sum(w x)
//! y = min(255, floor((max(a, 0) m + 2^31) / 2^32))
//! ```
//!
//! Max-pooling takes the maximum of a, which is that of y. Sums are taken
//! modulo 2^32; those of a model that was accepted do not overflow:
//! `docs/int8.md` has the proof.
//!
//! Activations lie channels-last, each pixel padded with zeros to whole words
//! of four channels, the lowest channel in the lowest byte.

mod direct;
mod pipeline;
mod pool;
mod requantize;
pub(crate) mod winograd;

pub use pipeline::Layer;
pub(crate) use pipeline::means;
pub(crate) use requantize::requantize;

use crate::{Network, Packing, QuantizedConv};

/// Channels of a word of activations, and of a block of output channels.
pub(crate) const QUAD: usize = 4;

/// The packed parameters of one convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv<'a> {
    pub packed: &'a [u32],
    pub inputs: usize,
    pub outputs: usize,
}

/// Which of the three convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reads the image; pooled.
    First,
    /// Pooled.
    Second,
    /// Not pooled.
    Third,
}

impl Stage {
    pub const ALL: [Stage; 3] = [Stage::First, Stage::Second, Stage::Third];

    /// Input and output channels.
    pub const fn channels(self, network: &Network) -> [usize; 2] {
        let [a, b, d] = network.widths();
        match self {
            Stage::First => [network.input().channels, a],
            Stage::Second => [a, b],
            Stage::Third => [b, d],
        }
    }

    /// Words of the packed parameters.
    pub const fn packed_len(self, network: &Network, packing: Packing) -> usize {
        let [inputs, outputs] = self.channels(network);
        match packing {
            Packing::Compact => direct::packed_len(self, inputs, outputs),
            Packing::Fast => winograd::packed_len(self, inputs, outputs),
        }
    }

    /// Words that the convolution works in.
    const fn scratch_len(self, network: &Network, packing: Packing) -> usize {
        let [inputs, outputs] = self.channels(network);
        match packing {
            Packing::Compact => direct::scratch_len(self, inputs, outputs),
            Packing::Fast => winograd::scratch_len(self, inputs, outputs),
        }
    }

    /// Packs valid parameters into [`Stage::packed_len`] words.
    pub fn pack(self, packing: Packing, conv: &QuantizedConv<'_>, out: &mut [u32]) {
        match packing {
            Packing::Compact => direct::pack(self, conv, out),
            Packing::Fast => winograd::pack(self, conv, out),
        }
    }

    /// Whether the words are what [`Stage::pack`] makes of valid parameters.
    pub fn check(self, packing: Packing, conv: &Conv<'_>) -> bool {
        match packing {
            Packing::Compact => direct::check(self, conv),
            Packing::Fast => winograd::check(self, conv),
        }
    }

    /// The inverse of [`Stage::pack`], into slices of the right lengths.
    pub fn unpack(
        self,
        packing: Packing,
        conv: &Conv<'_>,
        weights: &mut [i8],
        biases: &mut [i32],
        multipliers: &mut [u32],
    ) {
        match packing {
            Packing::Compact => direct::unpack(self, conv, weights, biases, multipliers),
            Packing::Fast => winograd::unpack(self, conv, weights, biases, multipliers),
        }
    }
}
