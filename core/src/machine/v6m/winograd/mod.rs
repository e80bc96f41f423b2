//! Integer convolutions for processors with Armv6-M's instructions: Cortex-M0,
//! M0+, M23.
//!
//! They multiply low registers only, and a product overwrites a factor. Weights
//! are taken apart as they are read; the tile's values lie as `i32`, each pair
//! of channels side by side, where the extra memory is small. What is 0 for a whole
//! tile is skipped, so the time depends on the image: least where it is flat.

mod image;
mod plain;
mod plain_tile;
mod pooled;
mod pooled_tile;
mod text;

pub(crate) use image::{SCRATCH as IMAGE_SCRATCH, convolve_pool as image_row};
pub(crate) use plain::outputs as plain_outputs;
pub(crate) use plain_tile::tile as plain_tile;
pub(crate) use pooled::outputs as pooled_outputs;
pub(crate) use pooled_tile::{tile as pooled_tile, tile_of_pixels as pooled_tile_of_pixels};

/// Words of V for a pair of channels of the pooled convolutions.
pub(crate) const POOLED_PAIR: usize = 2;
