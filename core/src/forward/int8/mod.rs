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

mod requantize;
pub(crate) mod winograd;

pub(crate) use requantize::requantize;

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
