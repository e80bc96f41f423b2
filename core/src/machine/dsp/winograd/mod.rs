//! Kernels of exact-integer Winograd for Cortex-M with the DSP instructions.
//!
//! SMLAD and SMLSD multiply and add two half-words at a time, SADD16 and SSUB16
//! transform two channels at a time, SMMULR and USAT requantise. Some of them
//! set a sticky flag for overflow, which nothing reads.

mod image;
mod plain;
mod pooled;
mod products;
mod tile;

pub(crate) use image::{SCRATCH as IMAGE_SCRATCH, convolve_pool as image_row};
pub(crate) use plain::{outputs as plain_outputs, tile as plain_tile};
pub(crate) use pooled::outputs as pooled_outputs;
pub(crate) use tile::tile as pooled_tile;

pub(crate) use crate::forward::int8::winograd::portable::{POOLED_PAIR, pooled_tile_of_pixels};
