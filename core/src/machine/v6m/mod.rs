//! Integer convolutions for processors with Armv6-M's instructions: Cortex-M0,
//! M0+, M23.
//!
//! They multiply low registers only, and a product overwrites a factor. Weights
//! are taken apart as they are read; the tile's values lie as `i32`, each pair
//! of channels side by side, where the extra memory is small. What is 0 for a whole
//! tile is skipped, so the time depends on the image: least where it is flat.

pub(crate) mod image;
pub(crate) mod plain;
pub(crate) mod plain_tile;
pub(crate) mod pooled;
pub(crate) mod pooled_tile;
mod text;
