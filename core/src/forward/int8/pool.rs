//! Average pooling over the cells of a grid.

use core::ops::Range;

use super::QUAD;
use crate::Network;

/// Fractional bits of a mean: the largest, 255, takes 32 bits.
const FRACTION: u32 = 24;

/// Outputs of the third convolution for neighbouring pixels: words of four
/// channels for each pixel, row by row.
pub(super) struct Tile<'a> {
    pub words: &'a [u32],
    /// Rows and columns; not more than 257 pixels.
    pub size: (usize, usize),
    /// The map's row and column of its first pixel.
    pub origin: (usize, usize),
}

/// Adds the tile's pixels, those beyond the map's end left out, to the sums of
/// every cell that covers them. Sums lie in PyTorch's flatten order.
pub(super) fn accumulate(network: &Network, tile: &Tile<'_>, sums: &mut [u32]) {
    let (grid, map) = (network.grid(), network.conv3());
    let blocks = network.widths()[2].div_ceil(QUAD);
    for cell_y in 0..grid {
        let rows = overlap(network.grid_window(cell_y, map.height), tile.origin.0, tile.size.0);
        for cell_x in 0..grid {
            let columns =
                overlap(network.grid_window(cell_x, map.width), tile.origin.1, tile.size.1);
            let pixels = Pixels { rows: rows.clone(), columns, width: tile.size.1 };
            if pixels.rows.is_empty() || pixels.columns.is_empty() {
                continue;
            }
            let sums = sums.get_mut(cell_y * grid + cell_x..).unwrap_or_default();
            add_cell(&pixels, tile.words, blocks, sums, grid * grid);
        }
    }
}

/// Adds the pixels to the sums of one cell, which are `step` apart.
fn add_cell(pixels: &Pixels, words: &[u32], blocks: usize, sums: &mut [u32], step: usize) {
    let (rows, columns) = (pixels.rows.len(), pixels.columns.len());
    let next_row = pixels.width.saturating_sub(columns) * blocks;
    let first = (pixels.rows.start * pixels.width + pixels.columns.start) * blocks;
    let mut place = 0;
    for block in first..first + blocks {
        // Two 16-bit lanes are added at a time: at most 257 values of 255.
        const LANES: u32 = 0x00FF_00FF;
        let (mut even, mut odd) = (0u32, 0u32);
        let mut pixel = block;
        for _ in 0..rows {
            for _ in 0..columns {
                let word = words.get(pixel).copied().unwrap_or_default();
                even = even.wrapping_add(word & LANES);
                odd = odd.wrapping_add((word >> 8) & LANES);
                pixel += blocks;
            }
            pixel += next_row;
        }
        for sum in [even & 0xFFFF, odd & 0xFFFF, even >> 16, odd >> 16] {
            // Channels that fill up the last block have no sum.
            if let Some(total) = sums.get_mut(place) {
                *total = total.wrapping_add(sum);
            }
            place += step;
        }
    }
}

/// The part of a window that lies in `len` pixels from `start` on, counted
/// from there.
fn overlap(window: Range<usize>, start: usize, len: usize) -> Range<usize> {
    window.start.saturating_sub(start)..window.end.saturating_sub(start).min(len)
}

/// Pixels of a tile of so many columns.
struct Pixels {
    rows: Range<usize>,
    columns: Range<usize>,
    width: usize,
}

/// Turns the sums of the cells into means, with 24 fractional bits: the sum
/// times round(2^24 / area).
pub(super) fn divide_by_areas(network: &Network, sums: &mut [u32]) {
    let (grid, map) = (network.grid(), network.conv3());
    for cell_y in 0..grid {
        let height = network.grid_window(cell_y, map.height).len();
        for cell_x in 0..grid {
            // At least 1 in a checked network.
            let area = (height * network.grid_window(cell_x, map.width).len()).max(1) as u32;
            let weight = ((1 << FRACTION) + area / 2) / area;
            // At most 255 x area each, so a product is below 2^32: an area is
            // below 2^16.
            let mut place = cell_y * grid + cell_x;
            while let Some(sum) = sums.get_mut(place) {
                *sum = sum.wrapping_mul(weight);
                place += grid * grid;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::{vec, vec::Vec};

    /// Mean of a cell as it is defined, rounded to nothing.
    fn mean(map: &[Vec<u8>], rows: Range<usize>, columns: Range<usize>) -> f64 {
        let area = rows.len() * columns.len();
        let sum: u32 =
            map[rows].iter().flat_map(|row| &row[columns.clone()]).map(|&v| u32::from(v)).sum();
        f64::from(sum) / area as f64
    }

    proptest! {
        #[test]
        fn means_are_those_of_the_cells(
            (height, width) in (18u16..60, 18u16..60),
            outputs in 1u16..10,
            grid in 1u16..=4,
            tile in prop::sample::select(vec![(1, 1), (1, 4), (3, 3)]),
            seed: u32,
        ) {
            let network = Network::new([1, height, width], [1, 1, outputs], grid, 0).unwrap();
            let (map, channels) = (network.conv3(), usize::from(outputs));
            let mut state = seed;
            let values: Vec<Vec<Vec<u8>>> = (0..channels)
                .map(|_| (0..map.height).map(|_| (0..map.width).map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                }).collect()).collect())
                .collect();

            let mut sums = vec![0; network.embedding_len()];
            let blocks = channels.div_ceil(QUAD);
            for y in (0..map.height).step_by(tile.0) {
                for x in (0..map.width).step_by(tile.1) {
                    // What lies beyond the map must not count.
                    let mut words = vec![u32::MAX; tile.0 * tile.1 * blocks];
                    for dy in 0..tile.0.min(map.height - y) {
                        for dx in 0..tile.1.min(map.width - x) {
                            for block in 0..blocks {
                                let byte = |lane: usize| {
                                    values.get(4 * block + lane).map_or(0, |c| c[y + dy][x + dx])
                                };
                                words[(dy * tile.1 + dx) * blocks + block] =
                                    u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                            }
                        }
                    }
                    accumulate(&network, &Tile { words: &words, size: tile, origin: (y, x) }, &mut sums);
                }
            }
            divide_by_areas(&network, &mut sums);

            let mut expected = Vec::new();
            for channel in &values {
                for cell_y in 0..network.grid() {
                    for cell_x in 0..network.grid() {
                        let rows = network.grid_window(cell_y, map.height);
                        expected.push(mean(channel, rows, network.grid_window(cell_x, map.width)));
                    }
                }
            }
            for (mean, expected) in sums.into_iter().zip(expected) {
                let mean = f64::from(mean) / 2f64.powi(24);
                prop_assert!((mean - expected).abs() < 1e-3, "{} {}", mean, expected);
            }
        }
    }

    #[test]
    fn the_largest_mean_fits() {
        // 254 x 254 pixels of 255 in one cell.
        let network = Network::new([1, 1024, 1024], [1, 1, 1], 1, 0).unwrap();
        let map = network.conv3();
        let mut sums = [255 * (map.height * map.width) as u32];
        divide_by_areas(&network, &mut sums);
        assert!(sums[0].abs_diff(255 << 24) < 1 << 23);
    }
}
