//! The kernels for Cortex-M0 and its like: sums over [pairs of
//! pixels](super::pairs).

use super::super::{Conv, QUAD};
pub(super) use super::pairs::{expand_image, expand_plain, expand_pooled, window_len};
use crate::machine::v6m_direct;

/// One pixel of the first convolution from the expanded window.
pub(super) fn pool_image(conv: Conv<'_>, window: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    v6m_direct::pool_image(conv.packed, conv.inputs, conv.outputs, window, pixel);
}

/// One pixel of the second convolution from the expanded window.
pub(super) fn pool(conv: Conv<'_>, window: &[u32], pixel: &mut [u32]) {
    pixel.fill(0);
    v6m_direct::pool(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, window, pixel);
}

/// Three neighbouring pixels of the third convolution from the expanded window.
pub(super) fn convolve(conv: Conv<'_>, window: &[u32], out: &mut [u32]) {
    out.fill(0);
    v6m_direct::convolve(conv.packed, conv.inputs.div_ceil(QUAD), conv.outputs, window, out);
}
