//! The forward pass in f32.
//!
//! No activation map is ever held: each stage keeps the few rows that the next
//! one reads, in a [`Ring`].
//!
//! ```text
//! image -> 4 rows -> conv, ReLU, max-pool -> 4 rows -> conv, ReLU, max-pool -> 3 rows
//!       -> conv, ReLU -> sums over the grid's cells -> means
//! ```

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod avx;
#[cfg(not(arm_vfma))]
mod kernel;
#[cfg(arm_vfma)]
#[path = "kernel_arm.rs"]
mod kernel;
mod stages;
mod window;

pub(crate) use stages::Conv;
use window::Window;

use super::{Extent, PLAIN, POOLED, Ring};
use crate::chunks::chunks;
use crate::{EmbedError, Network};

/// Output channels of a block of packed weights.
pub(crate) const BLOCK: usize = 8;

/// One value for each output channel of a block.
pub(crate) type Lanes = [f32; BLOCK];

/// A pixel as the network sees it: `(pixel / 255 - 0.5) / 0.5`, from -1 to 1.
pub fn normalize_pixel(pixel: u8) -> f32 {
    (f32::from(pixel) / 255.0 - 0.5) / 0.5
}

/// Sizes of the workspace's parts.
struct Workspace {
    image: Extent,
    /// Values of one row.
    image_row: usize,
    pool1_row: usize,
    pool2_row: usize,
    features: usize,
}

impl Workspace {
    const fn new(network: &Network) -> Workspace {
        let [a, b, _] = network.widths();
        let pool2 = network.pool2();
        let pool1 = Extent::before_pooled(pool2.height, pool2.width);
        let image = Extent::before_pooled(pool1.rows, pool1.columns);
        Workspace {
            image_row: image.columns * network.input().channels,
            pool1_row: pool1.columns * a,
            pool2_row: pool2.width * b,
            features: network.embedding_len(),
            image,
        }
    }

    const fn len(&self) -> usize {
        POOLED * (self.image_row + self.pool1_row) + PLAIN * self.pool2_row + self.features
    }
}

impl Network {
    /// Number of `f32` that [`Model::embed`](crate::Model::embed) works in.
    ///
    /// ```
    /// use lookalike::Network;
    /// static WORKSPACE: [f32; Network::REFERENCE.workspace_len()] =
    ///     [0.0; Network::REFERENCE.workspace_len()];
    /// assert_eq!(WORKSPACE.len(), 2376);
    /// ```
    pub const fn workspace_len(&self) -> usize {
        Workspace::new(self).len()
    }

    /// Bytes of RAM that [`Network::workspace_len`] values take.
    pub const fn workspace_bytes(&self) -> usize {
        self.workspace_len() * size_of::<f32>()
    }
}

/// Features before normalisation, in PyTorch's flatten order; they lie at the
/// start of the workspace.
pub(crate) fn features<'w>(
    network: &Network,
    convs: [Conv<'_>; 3],
    image: &[u8],
    workspace: &'w mut [f32],
) -> Result<&'w mut [f32], EmbedError> {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(simd) = avx::Avx::detect() {
        return simd.features(network, convs, image, workspace);
    }
    features_by(kernel::Compiled, network, convs, image, workspace)
}

/// The arithmetic of the convolutions, for one kind of processor.
trait Kernel: Copy {
    /// Convolution and ReLU at neighbouring pixels of a row: calls `each` with
    /// the values of every block in turn.
    fn rectified(
        self,
        conv: &Conv<'_>,
        window: &Window<'_, 3>,
        each: impl FnMut([Lanes; kernel::PIXELS]),
    );

    /// Convolution and ReLU of all blocks, then the maximum over 2x2 pixels.
    fn pool(self, conv: &Conv<'_>, window: &Window<'_, 4>, out: &mut [f32]);
}

/// [`features`] by a kernel.
#[inline(always)]
fn features_by<'w>(
    kernel: impl Kernel,
    network: &Network,
    [conv1, conv2, conv3]: [Conv<'_>; 3],
    image: &[u8],
    workspace: &'w mut [f32],
) -> Result<&'w mut [f32], EmbedError> {
    let input = network.input();
    if image.len() != input.len() {
        return Err(EmbedError::Image { expected: input.len(), found: image.len() });
    }
    let sizes = Workspace::new(network);
    let too_small = EmbedError::Workspace { needed: sizes.len(), found: workspace.len() };
    let (features, rest) = workspace.split_at_mut_checked(sizes.features).ok_or(too_small)?;
    let (mut image_rows, rest) = Ring::<_, POOLED>::new(rest, sizes.image_row).ok_or(too_small)?;
    let (mut pool1_rows, rest) = Ring::<_, POOLED>::new(rest, sizes.pool1_row).ok_or(too_small)?;
    let (mut pool2_rows, _) = Ring::<_, PLAIN>::new(rest, sizes.pool2_row).ok_or(too_small)?;

    features.fill(0.0);
    let mut pixels = chunks(image, input.width * input.channels);
    // How many rows each stage has produced.
    let (mut y0, mut y1, mut y2) = (0, 0, 0);
    while y0 < sizes.image.rows {
        let Some(row) = pixels.next() else { break };
        for (value, &pixel) in image_rows.row_mut(y0).iter_mut().zip(row) {
            *value = normalize_pixel(pixel);
        }
        y0 += 1;
        if y0 < 2 * y1 + POOLED {
            continue;
        }
        stages::convolve_pool(kernel, conv1, image_rows.rows(2 * y1), pool1_rows.row_mut(y1));
        y1 += 1;
        if y1 < 2 * y2 + POOLED {
            continue;
        }
        stages::convolve_pool(kernel, conv2, pool1_rows.rows(2 * y2), pool2_rows.row_mut(y2));
        y2 += 1;
        if y2 >= PLAIN {
            let y3 = y2 - PLAIN;
            stages::convolve_accumulate(kernel, conv3, pool2_rows.rows(y3), y3, network, features);
        }
    }
    stages::divide_by_areas(network, features);
    Ok(features)
}
