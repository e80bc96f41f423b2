extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::QuantizedConv;

/// A convolution of random or extreme values.
#[derive(Clone, Debug)]
struct Parameters {
    inputs: usize,
    outputs: usize,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<u32>,
}

impl Parameters {
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
        let mut packed = vec![0; packed_len(stage, self.inputs, self.outputs)];
        pack(stage, &self.conv(), &mut packed);
        packed
    }

    /// The sum of one output before requantisation, as the definition reads.
    fn sum(&self, map: &Map, output: usize, y: usize, x: usize) -> i32 {
        let mut sum = 0;
        for input in 0..self.inputs {
            for ky in 0..3 {
                for kx in 0..3 {
                    let tap = ((output * self.inputs + input) * 3 + ky) * 3 + kx;
                    let weight = i32::from(self.weights[tap]);
                    sum += weight * i32::from(map.at(y + ky, x + kx, input));
                }
            }
        }
        self.biases[output] + 4 * sum
    }

    fn activation(&self, output: usize, sum: i32) -> u8 {
        let product = i128::from(sum.max(0)) * i128::from(self.multipliers[output]);
        ((product + (1 << 31)) >> 32).min(255) as u8
    }
}

/// Activations, or the pixels of an image.
#[derive(Clone, Debug)]
struct Map {
    width: usize,
    channels: usize,
    values: Vec<u8>,
}

impl Map {
    /// Beyond the map lie zeros.
    fn at(&self, y: usize, x: usize, channel: usize) -> u8 {
        let index = (y * self.width + x) * self.channels + channel;
        if x < self.width { self.values.get(index).copied().unwrap_or(0) } else { 0 }
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.values[y * self.width * self.channels..][..self.width * self.channels]
    }

    fn packed_row(&self, y: usize) -> Vec<u32> {
        self.row(y).chunks(self.channels).flat_map(words).collect()
    }
}

/// The words of a pixel.
fn words(pixel: &[u8]) -> Vec<u32> {
    let word = |quad: &[u8]| quad.iter().rev().fold(0, |word, &x| word << 8 | u32::from(x));
    pixel.chunks(QUAD).map(word).collect()
}

fn weight() -> impl Strategy<Value = i8> {
    prop_oneof![-127..=127i8, Just(127), Just(-127), Just(0)]
}

fn extreme_weights(len: usize) -> impl Strategy<Value = Vec<i8>> {
    prop_oneof![
        4 => prop::collection::vec(weight(), len),
        1 => Just(vec![127; len]),
        1 => Just(vec![-127; len]),
    ]
}

fn bias() -> impl Strategy<Value = i32> {
    const LIMIT: i32 = 1 << 30;
    prop_oneof![-LIMIT..=LIMIT, -20_000..20_000, Just(LIMIT), Just(-LIMIT), Just(0)]
}

/// Few saturate, many saturate, all do.
fn multiplier() -> impl Strategy<Value = u32> {
    prop_oneof![0..1u32 << 18, 0..1u32 << 24, 0..1u32 << 31, Just((1 << 31) - 1), Just(0)]
}

fn parameters(
    inputs: impl Strategy<Value = usize>,
    outputs: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Parameters> {
    (inputs, outputs).prop_flat_map(|(inputs, outputs)| {
        (
            extreme_weights(9 * inputs * outputs),
            prop::collection::vec(bias(), outputs),
            prop::collection::vec(multiplier(), outputs),
        )
            .prop_map(move |(weights, biases, multipliers)| Parameters {
                inputs,
                outputs,
                weights,
                biases,
                multipliers,
            })
    })
}

/// `rows` rows of a map for the convolution.
fn with_map(
    parameters: impl Strategy<Value = Parameters>,
    rows: usize,
    width: impl Strategy<Value = usize> + Clone,
) -> impl Strategy<Value = (Parameters, Map)> {
    (parameters, width).prop_flat_map(move |(parameters, width)| {
        let channels = parameters.inputs;
        let len = rows * width * channels;
        let values = prop_oneof![
            4 => prop::collection::vec(any::<u8>(), len),
            1 => Just(vec![0; len]),
            1 => Just(vec![255; len]),
        ];
        values.prop_map(move |values| (parameters.clone(), Map { width, channels, values }))
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![Just(Stage::First), Just(Stage::Second), Just(Stage::Third)]
}

/// The pooled row of a map of 4 rows.
fn pooled(parameters: &Parameters, map: &Map, pixels: usize) -> Vec<u32> {
    let pixel = |x: usize| {
        let value = |output| {
            let sums = [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|(dy, dx)| parameters.sum(map, output, dy, 2 * x + dx));
            parameters.activation(output, sums.into_iter().max().unwrap())
        };
        words(&(0..parameters.outputs).map(value).collect::<Vec<_>>())
    };
    (0..pixels).flat_map(pixel).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn first_convolution(
        (parameters, map) in with_map(parameters(1..=16usize, 1..10usize), 4, 4..15usize),
    ) {
        let Parameters { inputs, outputs, .. } = parameters;
        let packed = parameters.packed(Stage::First);
        let conv = Conv { packed: &packed, inputs, outputs };
        let pixels = (map.width - 2) / 2;
        let mut out = vec![!0; pixels * outputs.div_ceil(QUAD)];
        let mut scratch = vec![!0; scratch_len(Stage::First, inputs, outputs)];
        convolve_pool_image(conv, [0, 1, 2, 3].map(|y| map.row(y)), &mut out, &mut scratch);
        prop_assert_eq!(out, pooled(&parameters, &map, pixels));
    }

    #[test]
    fn second_convolution(
        (parameters, map) in with_map(parameters(1..40usize, 1..10usize), 4, 4..11usize),
    ) {
        let Parameters { inputs, outputs, .. } = parameters;
        let packed = parameters.packed(Stage::Second);
        let conv = Conv { packed: &packed, inputs, outputs };
        let rows = [0, 1, 2, 3].map(|y| map.packed_row(y));
        let pixels = (map.width - 2) / 2;
        let mut out = vec![!0; pixels * outputs.div_ceil(QUAD)];
        let mut scratch = vec![!0; scratch_len(Stage::Second, inputs, outputs)];
        convolve_pool(conv, rows.each_ref().map(|row| &row[..]), &mut out, &mut scratch);
        prop_assert_eq!(out, pooled(&parameters, &map, pixels));
    }

    #[test]
    fn third_convolution(
        (parameters, map) in with_map(parameters(1..40usize, 1..10usize), 3, 3..11usize),
    ) {
        let Parameters { inputs, outputs, .. } = parameters;
        let packed = parameters.packed(Stage::Third);
        let conv = Conv { packed: &packed, inputs, outputs };
        let rows = [0, 1, 2].map(|y| map.packed_row(y));
        let rows = rows.each_ref().map(|row| &row[..]);
        let len = outputs.div_ceil(QUAD);
        let mut scratch = vec![!0; scratch_len(Stage::Third, inputs, outputs)];
        for x in (0..map.width).step_by(TILE.1) {
            let mut out = vec![!0; TILE.0 * TILE.1 * len];
            convolve(conv, &rows, x, &mut out, &mut scratch);
            for (pixel, found) in out.chunks(len).enumerate() {
                let value = |output| {
                    parameters.activation(output, parameters.sum(&map, output, 0, x + pixel))
                };
                let expected: Vec<_> = (0..outputs).map(value).collect();
                prop_assert_eq!(found, words(&expected));
            }
        }
    }

    #[test]
    fn unpacking_undoes_packing(
        stage in stage(),
        parameters in parameters(1..20usize, 1..10usize),
    ) {
        let Parameters { inputs, outputs, .. } = parameters;
        let packed = parameters.packed(stage);
        let conv = Conv { packed: &packed, inputs, outputs };
        prop_assert!(check(stage, &conv));
        let mut weights = vec![1; parameters.weights.len()];
        let (mut biases, mut multipliers) = (vec![1; outputs], vec![1; outputs]);
        unpack(stage, &conv, &mut weights, &mut biases, &mut multipliers);
        prop_assert_eq!(weights, parameters.weights);
        prop_assert_eq!(biases, parameters.biases);
        prop_assert_eq!(multipliers, parameters.multipliers);
    }

    /// Any change of a byte gives other parameters in their ranges, or is refused.
    #[test]
    fn one_packing_of_any_parameters(
        stage in stage(),
        parameters in parameters(1..8usize, 1..4usize),
        word: prop::sample::Index,
        change in 1..=u32::MAX,
    ) {
        let Parameters { inputs, outputs, .. } = parameters;
        let mut packed = parameters.packed(stage);
        let word = word.index(packed.len());
        packed[word] ^= change;
        let conv = Conv { packed: &packed, inputs, outputs };
        let mut unpacked = parameters.clone();
        let Parameters { weights, biases, multipliers, .. } = &mut unpacked;
        unpack(stage, &conv, weights, biases, multipliers);
        let in_range = unpacked.weights.iter().all(|&weight| weight != -128)
            && unpacked.biases.iter().all(|bias| bias.unsigned_abs() <= 1 << 30)
            && unpacked.multipliers.iter().all(|&multiplier| multiplier < 1 << 31);
        prop_assert_eq!(check(stage, &conv), in_range && unpacked.packed(stage) == packed);
    }
}

/// The widest sums of the family: 512 channels of the largest products.
#[test]
fn widest_convolution() {
    for (weight, bias, expected) in [(127, 1 << 30, 199), (-127, 1 << 30, 57), (127, -(1 << 30), 0)]
    {
        let parameters = Parameters {
            inputs: 512,
            outputs: 1,
            weights: vec![weight; 9 * 512],
            biases: vec![bias],
            multipliers: vec![512],
        };
        let row = [u32::MAX; 5 * 128];
        let packed = parameters.packed(Stage::Second);
        let conv = Conv { packed: &packed, inputs: 512, outputs: 1 };
        let mut scratch = vec![0; scratch_len(Stage::Second, 512, 1)];
        let mut out = [0];
        convolve_pool(conv, [&row; 4], &mut out, &mut scratch);
        assert_eq!(out, [expected]);

        let packed = parameters.packed(Stage::Third);
        let conv = Conv { packed: &packed, inputs: 512, outputs: 1 };
        let mut scratch = vec![0; scratch_len(Stage::Third, 512, 1)];
        let mut out = [0; 3];
        convolve(conv, &[&row[..]; 3], 0, &mut out, &mut scratch);
        assert_eq!(out, [expected; 3]);
    }
}

#[test]
fn slices_of_any_length_do_not_panic() {
    let parameters = Parameters {
        inputs: 5,
        outputs: 6,
        weights: vec![1; 9 * 5 * 6],
        biases: vec![4; 6],
        multipliers: vec![1 << 30; 6],
    };
    for stage in [Stage::First, Stage::Second, Stage::Third] {
        let packed = parameters.packed(stage);
        for len in [0, 1, 2, 13, packed.len() - 1, packed.len()] {
            let conv = Conv { packed: &packed[..len], inputs: 5, outputs: 6 };
            assert_eq!(check(stage, &conv), len == packed.len());
            unpack(stage, &conv, &mut [0; 7], &mut [0; 2], &mut [0; 3]);
            pack(stage, &parameters.conv(), &mut vec![0; len]);
            for scratch_len in [0, 3, 60, 1000] {
                let mut scratch = vec![0; scratch_len];
                for (pixels, row) in [(0, 0), (1, 3), (3, 40), (30, 9)] {
                    let mut out = vec![0; pixels];
                    let (bytes, words) = (vec![1; row], vec![1; row]);
                    convolve_pool_image(conv, [&bytes; 4], &mut out, &mut scratch);
                    convolve_pool(conv, [&words; 4], &mut out, &mut scratch);
                    convolve(conv, &[&words[..]; 2], pixels, &mut out, &mut scratch);
                }
            }
        }
    }
    let none = Conv { packed: &[], inputs: 0, outputs: 0 };
    convolve_pool_image(none, [&[1; 9]; 4], &mut [0; 4], &mut [0; 40]);
    convolve_pool(none, [&[1; 9]; 4], &mut [0; 4], &mut [0; 40]);
    convolve(none, &[&[1; 9][..]; 3], 0, &mut [0; 4], &mut [0; 40]);
    assert!(check(Stage::First, &none));
}
