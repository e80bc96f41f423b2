//! All stages against the convolution as it is defined.

use proptest::prelude::*;
extern crate std;
use std::{vec, vec::Vec};

use super::*;
use crate::QuantizedConv;
use crate::forward::int8::requantize;

struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}

/// How extreme values are.
#[derive(Clone, Copy, Debug)]
enum Range {
    Usual,
    /// Weights of -127 and 127.
    Extreme,
    /// The largest sums.
    Largest,
}

#[derive(Clone, Debug)]
struct Parameters {
    inputs: usize,
    outputs: usize,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<u32>,
}

impl Parameters {
    fn random([inputs, outputs]: [usize; 2], range: Range, seed: u32) -> Parameters {
        let mut random = Random(seed);
        let weights = (0..inputs * outputs * 9)
            .map(|_| match range {
                Range::Usual => (random.next() % 255) as i8,
                Range::Extreme => [-127, 127][random.next() as usize % 2],
                Range::Largest => 127,
            })
            .map(|weight: i8| weight.max(-127))
            .collect();
        let biases = (0..outputs)
            .map(|_| match random.next() % 8 {
                0 => 1 << 30,
                1 => -1 << 30,
                _ => (random.next() % 2_000_001) as i32 - 1_000_000,
            })
            .collect();
        // From all values below 1 to all saturated.
        let multipliers =
            (0..outputs).map(|_| (random.next() << 7 | 127) >> (random.next() % 32)).collect();
        Parameters { inputs, outputs, weights, biases, multipliers }
    }

    fn conv(&self) -> QuantizedConv<'_> {
        QuantizedConv {
            inputs: self.inputs,
            outputs: self.outputs,
            weights: &self.weights,
            biases: &self.biases,
            multipliers: &self.multipliers,
        }
    }

    fn packed(&self, stage: Stage) -> Vec<u32> {
        let mut packed = vec![0xAAAA_AAAA; packed_len(stage, self.inputs, self.outputs)];
        pack(stage, &self.conv(), &mut packed);
        packed
    }

    /// The sum at a pixel, as it is defined.
    fn sum(&self, map: &Map, output: usize, y: usize, x: usize) -> i32 {
        let mut sum = 0i64;
        for input in 0..self.inputs {
            for ky in 0..3 {
                for kx in 0..3 {
                    let weight = self.weights[(output * self.inputs + input) * 9 + ky * 3 + kx];
                    sum += i64::from(weight) * i64::from(map.value(y + ky, x + kx, input));
                }
            }
        }
        i32::try_from(i64::from(self.biases[output]) + 4 * sum).unwrap()
    }

    /// The activation of the largest sum of the pixels.
    fn activation(&self, map: &Map, output: usize, pixels: &[(usize, usize)]) -> u8 {
        let sum = pixels.iter().map(|&(y, x)| self.sum(map, output, y, x)).max().unwrap();
        requantize(sum, self.multipliers[output]) as u8
    }
}

/// An activation map.
struct Map {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<u8>,
}

impl Map {
    fn random([height, width, channels]: [usize; 3], range: Range, seed: u32) -> Map {
        let mut random = Random(seed);
        let fill = random.next() % 4;
        let values = (0..height * width * channels)
            .map(|_| match (range, fill) {
                (Range::Largest, _) => 255,
                (Range::Extreme, 0) => 0,
                (Range::Extreme, _) => [0, 255][random.next() as usize % 2],
                _ => random.next() as u8,
            })
            .collect();
        Map { height, width, channels, values }
    }

    fn value(&self, y: usize, x: usize, channel: usize) -> u8 {
        if y < self.height && x < self.width {
            self.values[(y * self.width + x) * self.channels + channel]
        } else {
            0
        }
    }

    fn rows(&self) -> Vec<&[u8]> {
        self.values.chunks(self.width * self.channels).collect()
    }

    fn row_words(&self) -> Vec<Vec<u32>> {
        self.rows().iter().map(|row| row.chunks(self.channels).flat_map(words).collect()).collect()
    }
}

/// A pixel's values, filled up with zeros.
fn words(values: &[u8]) -> Vec<u32> {
    let word = |quad: &[u8]| quad.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    values.chunks(4).map(word).collect()
}

fn pooled_row(parameters: &Parameters, map: &Map) -> Vec<u32> {
    (0..map.width / 2 - 1)
        .flat_map(|x| {
            let pixels = [(0, 2 * x), (0, 2 * x + 1), (1, 2 * x), (1, 2 * x + 1)];
            let values: Vec<u8> = (0..parameters.outputs)
                .map(|output| parameters.activation(map, output, &pixels))
                .collect();
            words(&values)
        })
        .collect()
}

fn range() -> impl Strategy<Value = Range> {
    prop_oneof![Just(Range::Usual), Just(Range::Extreme), Just(Range::Largest)]
}

proptest! {
    #[test]
    fn the_image_is_convolved_and_pooled(
        (inputs, outputs) in (1usize..=16, 1usize..20),
        one in any::<bool>(),
        width in 4usize..14,
        range in range(),
        seeds in any::<[u32; 2]>(),
    ) {
        let inputs = if one { 1 } else { inputs };
        let parameters = Parameters::random([inputs, outputs], range, seeds[0]);
        let map = Map::random([4, width, inputs], range, seeds[1]);
        let packed = parameters.packed(Stage::First);
        let conv = Conv { packed: &packed, inputs, outputs };
        let expected = pooled_row(&parameters, &map);
        let mut out = vec![7; expected.len()];
        let mut scratch = vec![9; scratch_len(Stage::First, inputs, outputs)];
        let rows = map.rows();
        convolve_pool_image(conv, [rows[0], rows[1], rows[2], rows[3]], &mut out, &mut scratch);
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn activations_are_convolved_and_pooled(
        (inputs, outputs) in (1usize..40, 1usize..20),
        width in 4usize..9,
        range in range(),
        seeds in any::<[u32; 2]>(),
    ) {
        let parameters = Parameters::random([inputs, outputs], range, seeds[0]);
        let map = Map::random([4, width, inputs], range, seeds[1]);
        let packed = parameters.packed(Stage::Second);
        let conv = Conv { packed: &packed, inputs, outputs };
        let expected = pooled_row(&parameters, &map);
        let mut out = vec![7; expected.len()];
        let mut scratch = vec![9; scratch_len(Stage::Second, inputs, outputs)];
        let rows = map.row_words();
        let rows = [0, 1, 2, 3].map(|y| rows[y].as_slice());
        convolve_pool(conv, rows, &mut out, &mut scratch);
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn tiles_are_convolved_with_zeros_beyond_the_map(
        (inputs, outputs) in (1usize..40, 1usize..20),
        (height, width) in (1usize..6, 1usize..9),
        column in 0usize..8,
        range in range(),
        seeds in any::<[u32; 2]>(),
    ) {
        let parameters = Parameters::random([inputs, outputs], range, seeds[0]);
        let map = Map::random([height, width, inputs], range, seeds[1]);
        let packed = parameters.packed(Stage::Third);
        let conv = Conv { packed: &packed, inputs, outputs };
        let column = column.min(width - 1);
        let mut expected = Vec::new();
        for y in 0..TILE.0 {
            for x in column..column + TILE.1 {
                let values: Vec<u8> = (0..outputs)
                    .map(|output| parameters.activation(&map, output, &[(y, x)]))
                    .collect();
                expected.extend(words(&values));
            }
        }
        let mut out = vec![7; expected.len()];
        let mut scratch = vec![9; scratch_len(Stage::Third, inputs, outputs)];
        let rows = map.row_words();
        let mut rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        rows.resize(5, &[]);
        convolve(conv, &rows, column, &mut out, &mut scratch);
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn packed_parameters_are_unpacked_and_nothing_else_is_accepted(
        (inputs, outputs) in (1usize..12, 1usize..9),
        range in range(),
        seed: u32,
    ) {
        for stage in [Stage::First, Stage::Second, Stage::Third] {
            let parameters = Parameters::random([inputs, outputs], range, seed);
            let mut packed = parameters.packed(stage);
            let conv = Conv { packed: &packed, inputs, outputs };
            prop_assert!(check(stage, &conv));
            let mut weights = vec![1; parameters.weights.len()];
            let mut biases = vec![1; outputs];
            let mut multipliers = vec![1; outputs];
            unpack(stage, &conv, &mut weights, &mut biases, &mut multipliers);
            prop_assert_eq!(&weights, &parameters.weights);
            prop_assert_eq!(&biases, &parameters.biases);
            prop_assert_eq!(&multipliers, &parameters.multipliers);

            // Any bit that is flipped is either refused, or a bias's or a
            // multiplier's.
            let mut random = Random(seed);
            for _ in 0..50 {
                let (index, bit) = (random.next() as usize % packed.len(), random.next() % 32);
                packed[index] ^= 1 << bit;
                let conv = Conv { packed: &packed, inputs, outputs };
                let accepted = check(stage, &conv);
                unpack(stage, &conv, &mut weights, &mut biases, &mut multipliers);
                let kept = weights == parameters.weights
                    && biases == parameters.biases
                    && multipliers == parameters.multipliers;
                prop_assert!(!accepted || weights == parameters.weights && !kept);
                packed[index] ^= 1 << bit;
            }
        }
    }
}

/// Whether each stage accepts one channel with these values.
fn accepts(weight: i8, bias: i32, multiplier: u32) -> [bool; 3] {
    [Stage::First, Stage::Second, Stage::Third].map(|stage| {
        let mut parameters = Parameters::random([1, 1], Range::Usual, 1);
        (parameters.weights[4], parameters.biases[0]) = (weight, bias);
        parameters.multipliers[0] = multiplier;
        let packed = parameters.packed(stage);
        check(stage, &Conv { packed: &packed, inputs: 1, outputs: 1 })
    })
}

#[test]
fn values_out_of_range_are_refused() {
    assert_eq!(accepts(-127, 1 << 30, (1 << 31) - 1), [true; 3]);
    assert_eq!(accepts(127, -1 << 30, 0), [true; 3]);
    assert_eq!(accepts(-128, 0, 0), [false; 3]);
    assert_eq!(accepts(0, (1 << 30) + 1, 0), [false; 3]);
    assert_eq!(accepts(0, i32::MIN, 0), [false; 3]);
    assert_eq!(accepts(0, 0, 1 << 31), [false; 3]);
}

#[test]
fn channels_that_fill_up_must_be_zero() {
    for stage in [Stage::First, Stage::Second, Stage::Third] {
        // What five inputs and outputs are packed as is no packing of fewer.
        let packed = Parameters::random([5, 5], Range::Extreme, 3).packed(stage);
        let check = |inputs, outputs| check(stage, &Conv { packed: &packed, inputs, outputs });
        assert!(check(5, 5) && check(6, 7));
        assert!(!check(5, 4) && !check(5, 9), "as many blocks as outputs");
        assert_eq!(packed_len(stage, 5, 5), packed_len(stage, 7, 8));
        let packed = Parameters::random([6, 6], Range::Extreme, 3).packed(stage);
        for (inputs, outputs) in [(5, 6), (6, 5)] {
            assert!(!super::check(stage, &Conv { packed: &packed, inputs, outputs }));
        }
    }
}

#[test]
fn slices_of_wrong_lengths_write_nothing_or_zeros() {
    let parameters = Parameters::random([5, 5], Range::Usual, 3);
    let packed = parameters.packed(Stage::Third);
    let row = [0x0101_0101; 8];
    let mut out = [7; 18];
    let mut scratch = [0; 200];
    for packed in [&packed, &packed[1..], &[]] {
        let conv = Conv { packed, inputs: 5, outputs: 5 };
        for (scratch_len, out_len) in [(0, 18), (7, 18), (200, 0), (200, 5)] {
            let (scratch, out) = (&mut scratch[..scratch_len], &mut out[..out_len]);
            convolve(conv, &[&row], 0, out, scratch);
            convolve(conv, &[&row], 100, out, scratch);
            convolve_pool(conv, [&row; 4], out, scratch);
            convolve_pool(conv, [&row, &[], &row, &row], out, scratch);
            convolve_pool_image(conv, [&[1; 3]; 4], out, scratch);
        }
    }
}
