//! Quantised parameters in their plain order, from which every packing is made.

/// One 3x3 convolution, quantised.
///
/// With x the `u8` inputs, the output of channel o is
///
/// ```text
/// a = biases[o] + 4 sum(weights[o] x)
/// y = min(255, floor((max(a, 0) multipliers[o] + 2^31) / 2^32))
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedConv<'a> {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// `[output][input][ky][kx]`, each from -127 to 127.
    pub weights: &'a [i8],
    /// One for each output channel, at most [`MAX_BIAS`] in magnitude.
    pub biases: &'a [i32],
    /// One for each output channel, at most [`MAX_MULTIPLIER`].
    pub multipliers: &'a [u32],
}

/// Largest magnitude of a bias: with the largest sum of any network of the
/// family, 4 x 9 x 512 x 127 x 255, it stays below 2^31.
pub const MAX_BIAS: i32 = 1 << 30;

/// Largest multiplier.
pub const MAX_MULTIPLIER: u32 = i32::MAX as u32;

impl QuantizedConv<'_> {
    /// Whether lengths and ranges are as stated.
    pub(crate) fn is_valid(&self) -> bool {
        let kernels = self.inputs.checked_mul(self.outputs);
        kernels.and_then(|kernels| kernels.checked_mul(9)) == Some(self.weights.len())
            && self.biases.len() == self.outputs
            && self.multipliers.len() == self.outputs
            && self.weights.iter().all(|&weight| weight != i8::MIN)
            && self.biases.iter().all(|bias| bias.unsigned_abs() <= MAX_BIAS.unsigned_abs())
            && self.multipliers.iter().all(|&multiplier| multiplier <= MAX_MULTIPLIER)
    }
}

/// How a file holds quantised parameters. The embeddings are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Direct convolution: a byte a weight.
    Compact,
    /// Winograd's minimal filtering, exact in integers: about 4.5 times the
    /// flash and fewer instructions.
    Fast,
}
