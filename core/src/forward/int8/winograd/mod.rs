//! Convolutions by Winograd's minimal filtering, exact in integers: the
//! packing `fast`.
//!
//! For a tile d of input and a kernel g, both of one channel, the convolution
//! y is, after Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (2015),
//!
//! ```text
//! y = A^T [(G g G^T) * (B^T d B)] A        * multiplies element by element
//! ```
//!
//! U = G g G^T is made when a model is packed; G is scaled so that U is
//! integer. V = B^T d B is made once for a tile and channel. What is added up
//! over the channels are products of U and V: 16 for the 36 of 2x2 outputs, 25
//! for the 81 of 3x3.
//!
//! **F(2x2, 3x3)**, for the pooled convolutions: a tile of outputs is the
//! window of a maximum. G is scaled by 2, so y is 4 times the convolution, as
//! the sum wants it. Elements of U are at most 9 x 127 in magnitude, of V at
//! most 4 x 255.
//!
//! ```text
//!     [ 2  0  0 ]          [ 1  0 -1  0 ]
//! G = [ 1  1  1 ]    B^T = [ 0  1  1  0 ]    A^T = [ 1  1 -1  0 ]
//!     [ 1 -1  1 ]          [ 0  1 -1  0 ]          [ 0  1  1  1 ]
//!     [ 0  0  2 ]          [ 0 -1  0  1 ]
//! ```
//!
//! These are Lavin's matrices but for the signs of the last two rows of B^T,
//! which leave a single minus in A^T.
//!
//! **F(3x3, 3x3)**, for the third convolution. G is scaled by 6, so y is 36
//! times the convolution modulo 2^32; 9 has the inverse [`NINTH`] modulo 2^32.
//! Elements of U are at most 81 x 127, of V at most 18 x 255.
//!
//! ```text
//!     [  3  0  0 ]         [ 2 -1 -2  1  0 ]
//!     [ -3 -3 -3 ]         [ 0 -2 -1  1  0 ]         [ 1  1  1  1  0 ]
//! G = [ -1  1 -1 ]   B^T = [ 0  2 -3  1  0 ]   A^T = [ 0  1 -1  2  0 ]
//!     [  1  2  4 ]         [ 0 -1  0  1  0 ]         [ 0  1  1  4  1 ]
//!     [  0  0  6 ]         [ 0  2 -1 -2  1 ]
//! ```
//!
//! # Packing
//!
//! Words of 32 bits. Channels that fill up a word of activations or a block
//! have weights, biases and multipliers of 0.
//!
//! For each block of four output channels: four biases, four multipliers, then
//! for each element of U, row by row (16 or 25), for each pair of input
//! channels, one word for each of the block's outputs. A word holds two `i16`,
//! the pair's first channel in the low half. The pairs of a word of activations
//! with channels c0 to c3 are (c0, c2), then (c1, c3).
//!
//! The first convolution of a network with one input channel has no pairs.
//! For each output channel, up to a multiple of four, there are 10 words: eight
//! with two elements of U, the bias, the multiplier. The elements, low half
//! first, as row and column, are
//!
//! ```text
//! (12, 21) (32, 31) (13, 23) (02, 01) (10, 20) (00, 33) (03, 30) (11, 22)
//! ```
//!
//! so that sums and differences of a word's two products are what is added up.
//!
//! # Kernels
//!
//! A tile is transformed, then multiplied with all blocks. Either step is one
//! function, which has a portable form and may have one in machine
//! instructions. V has the order of U: for each element a word for each pair. For
//! Armv6-M a pair is two words in pooled convolutions, and the image with one
//! channel has a layout of its own, in which a kernel serves a row of tiles.

#[cfg_attr(
    machine,
    allow(dead_code, reason = "machine instructions take some portable forms' place")
)]
mod image;
mod packing;
#[cfg_attr(machine, allow(dead_code, reason = "as above"))]
mod plain;
#[cfg_attr(machine, allow(dead_code, reason = "as above"))]
mod pooled;
#[cfg_attr(machine, allow(dead_code, reason = "as above"))]
mod products;
#[cfg(test)]
mod tests;

pub(crate) use packing::{check, pack, packed_len, unpack};

use super::{Conv, QUAD, Stage};
use crate::chunks::chunks_mut;
#[cfg(arm_dsp)]
use crate::machine::dsp::winograd as kernels;
#[cfg(arm_v6m)]
use crate::machine::v6m::winograd as kernels;
#[cfg(not(any(arm_dsp, arm_v6m)))]
use portable as kernels;

/// The kernels in portable Rust, which define the bits of those in machine
/// instructions.
#[allow(unused_imports, reason = "each target's kernels use some of them")]
pub(crate) mod portable {
    pub(crate) use super::image::{
        SCRATCH as IMAGE_SCRATCH, convolve_pool as image_row, for_each_pixel,
    };
    pub(crate) use super::plain::{outputs as plain_outputs, tile as plain_tile};
    pub(crate) use super::pooled::{
        PAIR as POOLED_PAIR, outputs as pooled_outputs, tile as pooled_tile,
        tile_of_pixels as pooled_tile_of_pixels,
    };
}

/// The inverse of 9 modulo 2^32.
pub(crate) const NINTH: u32 = 0x38E3_8E39;

/// Rows and columns of outputs that [`convolve`] computes.
pub(crate) const TILE: (usize, usize) = (3, 3);

/// Elements of a transformed tile of F(2x2, 3x3).
const POOLED_ELEMENTS: usize = 16;
/// Elements of a transformed tile of F(3x3, 3x3).
const PLAIN_ELEMENTS: usize = 25;
/// Words of a transformed tile of an image with one channel.
const IMAGE_WORDS: usize = 8;

/// Words that the kernels for images with one channel work in, of any target.
const MOST_IMAGE_SCRATCH: usize = 119;
/// Words of V for a pair of channels of the pooled convolutions, on any target.
const MOST_POOLED_PAIR: usize = 2;
const _: () = assert!(
    kernels::IMAGE_SCRATCH <= MOST_IMAGE_SCRATCH && kernels::POOLED_PAIR <= MOST_POOLED_PAIR
);

/// Words that a convolution works in: as many as the kernels of any target
/// need, so that a network's workspace is as large on one as on the other.
pub(crate) const fn scratch_len(stage: Stage, inputs: usize, _outputs: usize) -> usize {
    let pairs = 2 * inputs.div_ceil(QUAD);
    match stage {
        Stage::First if inputs == 1 => MOST_IMAGE_SCRATCH,
        Stage::First | Stage::Second => POOLED_ELEMENTS * pairs * MOST_POOLED_PAIR,
        Stage::Third => PLAIN_ELEMENTS * pairs,
    }
}

/// Words of V of a pooled convolution's tile, by this target's kernels.
const fn pooled_tile_len(inputs: usize) -> usize {
    POOLED_ELEMENTS * 2 * inputs.div_ceil(QUAD) * kernels::POOLED_PAIR
}

/// One row of the pooled first convolution from 4 rows of the image, of
/// `conv.inputs` bytes a pixel. Pixels whose input the rows do not hold are
/// left as they are.
pub(crate) fn convolve_pool_image(
    conv: Conv<'_>,
    rows: [&[u8]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let blocks = conv.outputs.div_ceil(QUAD);
    if conv.inputs == 1 {
        return kernels::image_row(conv.packed, rows, blocks, out, scratch);
    }
    let Some(v) = scratch.get_mut(..pooled_tile_len(conv.inputs)) else { return };
    for (x, out) in chunks_mut(out, blocks).enumerate() {
        let Some(rows) = window(&rows, 2 * x * conv.inputs, 4 * conv.inputs) else { return };
        kernels::pooled_tile_of_pixels(rows, conv.inputs, v);
        kernels::pooled_outputs(conv.packed, v, out);
    }
}

/// One row of a pooled convolution from 4 rows of activations. Pixels whose
/// input the rows do not hold are left as they are.
pub(crate) fn convolve_pool(
    conv: Conv<'_>,
    rows: [&[u32]; 4],
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let quads = conv.inputs.div_ceil(QUAD);
    let Some(v) = scratch.get_mut(..pooled_tile_len(conv.inputs)) else { return };
    for (x, out) in chunks_mut(out, conv.outputs.div_ceil(QUAD)).enumerate() {
        let Some(rows) = window(&rows, 2 * x * quads, 4 * quads) else { return };
        kernels::pooled_tile(rows, v);
        kernels::pooled_outputs(conv.packed, v, out);
    }
}

/// Outputs of [`TILE`] pixels from column `x` on, of a convolution that is not
/// pooled, pixel by pixel and row by row. Reads 5 rows and columns; those that
/// are missing count as 0.
pub(crate) fn convolve(
    conv: Conv<'_>,
    rows: &[&[u32]],
    x: usize,
    out: &mut [u32],
    scratch: &mut [u32],
) {
    let quads = conv.inputs.div_ceil(QUAD);
    let Some(v) = scratch.get_mut(..scratch_len(Stage::Third, conv.inputs, 0)) else { return };
    let rows = core::array::from_fn(|y| {
        let row = rows.get(y).and_then(|row| row.get(x * quads..)).unwrap_or_default();
        row.get(..5 * quads).unwrap_or(row)
    });
    kernels::plain_tile(rows, v);
    kernels::plain_outputs(conv.packed, v, out);
}

/// The same `len` values of four rows.
#[inline(always)]
fn window<'a, T>(rows: &[&'a [T]; 4], start: usize, len: usize) -> Option<[&'a [T]; 4]> {
    let [a, b, c, d] = rows.map(|row| row.get(start..)?.get(..len));
    Some([a?, b?, c?, d?])
}
