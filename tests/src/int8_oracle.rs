//! The quantised network as its definition reads: whole maps, sums in `i64`,
//! nothing shared with the implementations that it judges but plain data.

use lookalike::{Network, QuantizedConv};

/// A map of `u8` activations, `[channels][height][width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteMap {
    /// Number of channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The values.
    pub values: Vec<u8>,
}

/// Everything that one image becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Int8Activations {
    /// First convolution, ReLU, max-pooling.
    pub pool1: ByteMap,
    /// Second convolution, ReLU, max-pooling.
    pub pool2: ByteMap,
    /// Third convolution, ReLU.
    pub conv3: ByteMap,
    /// For each channel and cell of the grid, the mean in units of 2^-24:
    /// the sum times the rounded inverse of the cell's area.
    pub means: Vec<u32>,
    /// The words of the embedding's code `U8`: its inverse norm, its values.
    pub code: Vec<u32>,
}

/// Takes one image, pixels channels-last, through the network.
///
/// # Panics
/// When lengths do not fit the network, or a sum does not fit `i32`.
pub fn forward(
    network: &Network,
    convs: &[QuantizedConv<'_>; 3],
    pixels: &[u8],
) -> Int8Activations {
    let shape = network.input();
    assert_eq!(pixels.len(), shape.len(), "pixels");
    let mut input = ByteMap {
        channels: shape.channels,
        height: shape.height,
        width: shape.width,
        values: vec![0; pixels.len()],
    };
    for c in 0..shape.channels {
        for p in 0..shape.height * shape.width {
            input.values[c * shape.height * shape.width + p] = pixels[p * shape.channels + c];
        }
    }
    let pool1 = requantize(&max_pool(&convolve(&input, &convs[0])), &convs[0]);
    let pool2 = requantize(&max_pool(&convolve(&pool1, &convs[1])), &convs[1]);
    let conv3 = requantize(&convolve(&pool2, &convs[2]), &convs[2]);
    let means = average(&conv3, network.grid());
    let code = u8_code(&means);
    Int8Activations { pool1, pool2, conv3, means, code }
}

/// Sums in quarters of a product: `[channels][height][width]`.
struct Sums {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<i64>,
}

fn convolve(input: &ByteMap, conv: &QuantizedConv<'_>) -> Sums {
    assert_eq!(input.channels, conv.inputs, "input channels");
    let (height, width) = (input.height - 2, input.width - 2);
    let mut values = Vec::new();
    for o in 0..conv.outputs {
        for y in 0..height {
            for x in 0..width {
                let mut products = 0i64;
                for i in 0..conv.inputs {
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let weight = conv.weights[((o * conv.inputs + i) * 3 + ky) * 3 + kx];
                            let at = (i * input.height + y + ky) * input.width + x + kx;
                            products += i64::from(weight) * i64::from(input.values[at]);
                        }
                    }
                }
                let sum = i64::from(conv.biases[o]) + 4 * products;
                assert!(i32::try_from(sum).is_ok(), "a sum of {sum} does not fit 32 bits");
                values.push(sum);
            }
        }
    }
    Sums { channels: conv.outputs, height, width, values }
}

fn max_pool(sums: &Sums) -> Sums {
    let (height, width) = (sums.height / 2, sums.width / 2);
    let mut values = Vec::new();
    for c in 0..sums.channels {
        for y in 0..height {
            for x in 0..width {
                let at =
                    |dy, dx| sums.values[(c * sums.height + 2 * y + dy) * sums.width + 2 * x + dx];
                values.push(at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1)));
            }
        }
    }
    Sums { channels: sums.channels, height, width, values }
}

fn requantize(sums: &Sums, conv: &QuantizedConv<'_>) -> ByteMap {
    let per_channel = sums.height * sums.width;
    let value = |(i, &sum): (usize, &i64)| {
        let product = i128::from(sum.max(0)) * i128::from(conv.multipliers[i / per_channel]);
        u8::try_from((product + (1 << 31)) >> 32).unwrap_or(u8::MAX)
    };
    ByteMap {
        channels: sums.channels,
        height: sums.height,
        width: sums.width,
        values: sums.values.iter().enumerate().map(value).collect(),
    }
}

/// Cells cover floor(i s / g) to ceil((i + 1) s / g), as in PyTorch.
fn average(map: &ByteMap, grid: usize) -> Vec<u32> {
    let window = |i: usize, size: usize| i * size / grid..((i + 1) * size).div_ceil(grid);
    let mut means = Vec::new();
    for c in 0..map.channels {
        for gy in 0..grid {
            for gx in 0..grid {
                let (rows, columns) = (window(gy, map.height), window(gx, map.width));
                let area = (rows.len() * columns.len()) as f64;
                let inverse = ((1u64 << 24) as f64 / area).round() as u64;
                let sum: u64 = rows
                    .flat_map(|y| columns.clone().map(move |x| (y, x)))
                    .map(|(y, x)| u64::from(map.values[(c * map.height + y) * map.width + x]))
                    .sum();
                means.push(u32::try_from(sum * inverse).expect("a mean is at most 255"));
            }
        }
    }
    means
}

/// The code `U8` of non-negative means of any common scale.
///
/// With the largest mean M, h the least shift for floor(M / 2^h) < 2^16, and
/// f = floor(255 2^24 / floor(M / 2^h)): value i is
/// floor((floor(mean_i / 2^h) f + 2^23) / 2^24). The first word is
/// floor(2^39 / norm of the values).
pub fn u8_code(means: &[u32]) -> Vec<u32> {
    let mut code = vec![0; 1 + means.len().div_ceil(4)];
    let largest = u128::from(means.iter().copied().max().unwrap_or(0));
    if largest == 0 {
        return code;
    }
    let mut shift = 0;
    while largest >> shift >= 1 << 16 {
        shift += 1;
    }
    let factor = (255u128 << 24) / (largest >> shift);
    let mut squares = 0;
    for (i, &mean) in means.iter().enumerate() {
        let value = ((u128::from(mean) >> shift) * factor + (1 << 23)) >> 24;
        squares += value * value;
        code[1 + i / 4] |= u32::try_from(value).expect("at most 255") << (8 * (i % 4));
    }
    // The largest r with r^2 squares <= 2^78, by halving.
    let (mut low, mut high) = (0u128, 1u128 << 32);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle * middle * squares <= 1 << 78 {
            low = middle;
        } else {
            high = middle;
        }
    }
    code[0] = u32::try_from(low).expect("the norm is at least 255");
    code
}
