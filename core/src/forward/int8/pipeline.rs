//! An image through all stages, row by row.
//!
//! ```text
//! image -> conv, max-pool, requantise -> 4 rows -> conv, max-pool, requantise -> 3 or 5 rows
//!       -> conv, requantise -> a tile -> sums over the grid's cells -> means
//! ```

use super::pool::{self, Tile};
use super::{Conv, QUAD, Stage, direct, winograd};
use crate::forward::{Extent, POOLED, Ring};
use crate::{EmbedError, Network, Packing, U8};

/// A part of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The first convolution, its pooling and requantisation.
    Convolution1,
    /// The second.
    Convolution2,
    /// The third convolution and its requantisation.
    Convolution3,
    /// Average pooling.
    Pooling,
    /// The code of the embedding.
    Embedding,
}

/// One packing's convolutions; what each does is said in [`direct`] and [`winograd`].
trait Kernels {
    /// Rows and columns of pixels that the third convolution computes at once.
    const TILE: (usize, usize);

    fn convolve_pool_image(conv: Conv<'_>, rows: [&[u8]; 4], out: &mut [u32], scratch: &mut [u32]);

    fn convolve_pool(conv: Conv<'_>, rows: [&[u32]; 4], out: &mut [u32], scratch: &mut [u32]);

    fn convolve(conv: Conv<'_>, rows: &[&[u32]], x: usize, out: &mut [u32], scratch: &mut [u32]);
}

macro_rules! kernels {
    ($name:ident, $module:ident) => {
        enum $name {}

        impl Kernels for $name {
            const TILE: (usize, usize) = $module::TILE;

            fn convolve_pool_image(
                conv: Conv<'_>,
                rows: [&[u8]; 4],
                out: &mut [u32],
                scratch: &mut [u32],
            ) {
                $module::convolve_pool_image(conv, rows, out, scratch);
            }

            fn convolve_pool(
                conv: Conv<'_>,
                rows: [&[u32]; 4],
                out: &mut [u32],
                scratch: &mut [u32],
            ) {
                $module::convolve_pool(conv, rows, out, scratch);
            }

            fn convolve(
                conv: Conv<'_>,
                rows: &[&[u32]],
                x: usize,
                out: &mut [u32],
                scratch: &mut [u32],
            ) {
                $module::convolve(conv, rows, x, out, scratch);
            }
        }
    };
}

kernels!(Compact, direct);
kernels!(Fast, winograd);

/// Rows that a tile of the third convolution reads.
const COMPACT_ROWS: usize = direct::TILE.0 + 2;
const FAST_ROWS: usize = winograd::TILE.0 + 2;

/// Sizes of the workspace's parts, in words.
struct Workspace {
    /// Rows of the first pooled map that are read.
    pool1_rows: usize,
    pool1_row: usize,
    pool2_row: usize,
    /// What a stage works in; the third one's tile lies at its end.
    scratch: usize,
    tile: usize,
    means: usize,
    /// All but the means; at least the embedding, which takes its place.
    front: usize,
}

impl Workspace {
    const fn new(network: &Network, packing: Packing) -> Workspace {
        let [a, b, d] = network.widths();
        let pool2 = network.pool2();
        let pool1 = Extent::before_pooled(pool2.height, pool2.width);
        let (ring, tile_pixels) = match packing {
            Packing::Compact => (COMPACT_ROWS, direct::TILE.0 * direct::TILE.1),
            Packing::Fast => (FAST_ROWS, winograd::TILE.0 * winograd::TILE.1),
        };
        let pool1_row = pool1.columns * a.div_ceil(QUAD);
        let pool2_row = pool2.width * b.div_ceil(QUAD);
        let tile = tile_pixels * d.div_ceil(QUAD);
        let [first, second, third] = [
            Stage::First.scratch_len(network, packing),
            Stage::Second.scratch_len(network, packing),
            Stage::Third.scratch_len(network, packing),
        ];
        let scratch = max(max(first, second), third + tile);
        let parts = POOLED * pool1_row + ring * pool2_row + scratch;
        let means = network.embedding_len();
        let front = max(parts, U8::words(means));
        Workspace { pool1_rows: pool1.rows, pool1_row, pool2_row, scratch, tile, means, front }
    }

    const fn len(&self) -> usize {
        self.front + self.means
    }
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

impl Network {
    /// Number of `u32` that [`Model::embed`](crate::Model::embed) of a
    /// quantised model works in.
    ///
    /// ```
    /// use lookalike::{Network, Packing};
    /// const LEN: usize = Network::REFERENCE.int8_workspace_len(Packing::Compact);
    /// static WORKSPACE: [u32; LEN] = [0; LEN];
    /// assert!(4 * LEN < 5500);
    /// ```
    pub const fn int8_workspace_len(&self, packing: Packing) -> usize {
        Workspace::new(self, packing).len()
    }

    /// Bytes of RAM that [`Network::int8_workspace_len`] words take.
    pub const fn int8_workspace_bytes(&self, packing: Packing) -> usize {
        self.int8_workspace_len(packing) * size_of::<u32>()
    }
}

/// The means of the features over the grid's cells, in PyTorch's flatten order
/// and with 24 fractional bits, and the free part of the workspace before
/// them, which holds an embedding. `observe` hears of every piece of work that
/// is done.
pub(crate) fn means<'w>(
    network: &Network,
    packing: Packing,
    convs: [Conv<'_>; 3],
    image: &[u8],
    workspace: &'w mut [u32],
    observe: &mut impl FnMut(Layer),
) -> Result<(&'w mut [u32], &'w mut [u32]), EmbedError> {
    let expected = network.input().len();
    if image.len() != expected {
        return Err(EmbedError::Image { expected, found: image.len() });
    }
    let sizes = Workspace::new(network, packing);
    let too_small = EmbedError::Workspace { needed: sizes.len(), found: workspace.len() };
    let (front, rest) = workspace.split_at_mut_checked(sizes.front).ok_or(too_small)?;
    let means = rest.get_mut(..sizes.means).ok_or(too_small)?;
    let done = match packing {
        Packing::Compact => {
            stream::<Compact, COMPACT_ROWS>(network, &sizes, convs, image, front, means, observe)
        }
        Packing::Fast => {
            stream::<Fast, FAST_ROWS>(network, &sizes, convs, image, front, means, observe)
        }
    };
    done.ok_or(too_small)?;
    pool::divide_by_areas(network, means);
    observe(Layer::Pooling);
    Ok((front, means))
}

/// Adds up the cells; `None` if the front is too small.
fn stream<K: Kernels, const ROWS: usize>(
    network: &Network,
    sizes: &Workspace,
    [conv1, conv2, conv3]: [Conv<'_>; 3],
    image: &[u8],
    front: &mut [u32],
    sums: &mut [u32],
    observe: &mut impl FnMut(Layer),
) -> Option<()> {
    let (mut pool1, rest) = Ring::<_, POOLED>::new(front, sizes.pool1_row)?;
    let (mut pool2, rest) = Ring::<_, ROWS>::new(rest, sizes.pool2_row)?;
    let scratch = rest.get_mut(..sizes.scratch)?;
    let tile_start = sizes.scratch.checked_sub(sizes.tile)?;
    sums.fill(0);

    let (input, pool2_map, map) = (network.input(), network.pool2(), network.conv3());
    let image_row = input.width * input.channels;
    let pixels = |y: usize| {
        image.get(y * image_row..).and_then(|rows| rows.get(..image_row)).unwrap_or_default()
    };
    // How many rows the second stage has produced, the third has taken.
    let (mut y2, mut y3) = (0, 0);
    for y1 in 0..sizes.pool1_rows {
        let rows = core::array::from_fn(|i| pixels(2 * y1 + i));
        K::convolve_pool_image(conv1, rows, pool1.row_mut(y1), scratch);
        observe(Layer::Convolution1);
        if y1 + 1 < 2 * y2 + POOLED {
            continue;
        }
        K::convolve_pool(conv2, pool1.rows(2 * y2), pool2.row_mut(y2), scratch);
        observe(Layer::Convolution2);
        y2 += 1;
        while y3 < map.height && (y2 == pool2_map.height || y2 >= y3 + ROWS) {
            let mut rows = pool2.rows(y3);
            // The ring still holds older rows where the map has ended.
            for row in rows.iter_mut().skip(y2 - y3) {
                *row = &[];
            }
            let (scratch, tile) = scratch.split_at_mut_checked(tile_start)?;
            let mut x = 0;
            while x < map.width {
                K::convolve(conv3, &rows, x, tile, scratch);
                observe(Layer::Convolution3);
                let tile = Tile { words: tile, size: K::TILE, origin: (y3, x) };
                pool::accumulate(network, &tile, sums);
                observe(Layer::Pooling);
                x += K::TILE.1;
            }
            y3 += K::TILE.0;
        }
    }
    Some(())
}
