//! The quantised network over many images, quickly: the same bytes as the
//! device computes, by dot products of 16-bit numbers.

use lookalike::{Network, QuantizedConv, Shape};
use ndarray::{Array2, Axis};
use pulp::Arch;
use rayon::prelude::*;

use crate::data::Dataset;

/// The parameters of one convolution, in the plain order of [`QuantizedConv`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Input channels.
    pub inputs: usize,
    /// `[output][input][ky][kx]`, each from -127 to 127.
    pub weights: Vec<i8>,
    /// One for each output channel, in quarters of a product.
    pub biases: Vec<i32>,
    /// One for each output channel.
    pub multipliers: Vec<u32>,
}

impl Layer {
    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.biases.len()
    }

    /// As the core takes it.
    pub fn view(&self) -> QuantizedConv<'_> {
        QuantizedConv {
            inputs: self.inputs,
            outputs: self.outputs(),
            weights: &self.weights,
            biases: &self.biases,
            multipliers: &self.multipliers,
        }
    }
}

/// Dot products are taken of multiples of so many values.
const LANES: usize = 16;

/// One layer, ready to run.
struct Prepared {
    input: Shape,
    /// What it leaves: pooled but for the third layer.
    output: Shape,
    pools: bool,
    /// Values of a patch, padded with zeros.
    taps: usize,
    /// `[output][tap]`, taps in the order `[ky][kx][input]`.
    weights: Vec<i16>,
    biases: Vec<i32>,
    multipliers: Vec<u32>,
}

/// A quantised network, ready to run.
pub struct Forward {
    network: Network,
    arch: Arch,
    layers: [Prepared; 3],
}

impl Forward {
    /// Prepares `layers`, which must be those of `network`.
    pub fn new(network: &Network, layers: [&Layer; 3]) -> Forward {
        let inputs = [network.input(), network.pool1(), network.pool2()];
        let outputs = [network.pool1(), network.pool2(), network.conv3()];
        let layers = [0, 1, 2].map(|i| Prepared::new(inputs[i], outputs[i], i < 2, layers[i]));
        Forward { network: *network, arch: Arch::new(), layers }
    }

    /// Features `[N, E]` of all images: the means of the third convolution's
    /// activations over the grid's cells, in the embedding's order. Runs on
    /// rayon's current pool.
    pub fn features(&self, dataset: &Dataset) -> Array2<f32> {
        let mut features = Array2::zeros((dataset.len(), self.network.embedding_len()));
        features.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each_init(
            || [0, 1, 2].map(|i| vec![0; self.layers[i].output.len()]),
            |[pool1, pool2, conv3], (i, mut row)| {
                self.layers[0].run(self.arch, dataset.image(i), pool1);
                self.layers[1].run(self.arch, pool1, pool2);
                self.layers[2].run(self.arch, pool2, conv3);
                let means = self.means(conv3);
                row.iter_mut().zip(means).for_each(|(to, mean)| *to = mean);
            },
        );
        features
    }

    /// The activations that image `pixels` leaves after each layer, channels-last.
    pub fn activations(&self, pixels: &[u8]) -> [Vec<u8>; 3] {
        let mut maps = [0, 1, 2].map(|i| vec![0; self.layers[i].output.len()]);
        let [pool1, pool2, conv3] = &mut maps;
        self.layers[0].run(self.arch, pixels, pool1);
        self.layers[1].run(self.arch, pool1, pool2);
        self.layers[2].run(self.arch, pool2, conv3);
        maps
    }

    /// The average of each cell for each channel.
    fn means(&self, conv3: &[u8]) -> impl Iterator<Item = f32> {
        let Shape { height, width, channels } = self.network.conv3();
        let grid = self.network.grid();
        (0..channels * grid * grid).map(move |i| {
            let (channel, cell) = (i / (grid * grid), i % (grid * grid));
            let rows = self.network.grid_window(cell / grid, height);
            let columns = self.network.grid_window(cell % grid, width);
            let area = (rows.len() * columns.len()) as f32;
            let pixels = rows.flat_map(|y| columns.clone().map(move |x| y * width + x));
            let sum: u32 = pixels.map(|at| u32::from(conv3[at * channels + channel])).sum();
            sum as f32 / area
        })
    }
}

/// Runs one layer alone on many maps that lie one after another.
pub(super) fn run_layer(network: &Network, index: usize, layer: &Layer, maps: &[u8]) -> Vec<u8> {
    let inputs = [network.input(), network.pool1(), network.pool2()];
    let outputs = [network.pool1(), network.pool2(), network.conv3()];
    let prepared = Prepared::new(inputs[index], outputs[index], index < 2, layer);
    let arch = Arch::new();
    let (input, output) = (inputs[index].len(), outputs[index].len());
    let mut all = vec![0; maps.len() / input * output];
    all.par_chunks_mut(output)
        .zip(maps.par_chunks(input))
        .for_each(|(output, input)| prepared.run(arch, input, output));
    all
}

impl Prepared {
    fn new(input: Shape, output: Shape, pools: bool, layer: &Layer) -> Prepared {
        assert_eq!((layer.inputs, layer.outputs()), (input.channels, output.channels));
        let taps = (9 * layer.inputs).next_multiple_of(LANES);
        let mut weights = vec![0; layer.outputs() * taps];
        for (kernel, row) in
            layer.weights.chunks_exact(9 * layer.inputs).zip(weights.chunks_exact_mut(taps))
        {
            for (at, &weight) in kernel.iter().enumerate() {
                row[at % 9 * layer.inputs + at / 9] = i16::from(weight);
            }
        }
        Prepared {
            input,
            output,
            pools,
            taps,
            weights,
            biases: layer.biases.clone(),
            multipliers: layer.multipliers.clone(),
        }
    }

    /// One image: `input` and `output` are channels-last.
    fn run(&self, arch: Arch, input: &[u8], output: &mut [u8]) {
        arch.dispatch(
            #[inline(always)]
            || {
                if self.pools {
                    self.tiles::<4>(input, output)
                } else {
                    self.tiles::<1>(input, output)
                }
            },
        );
    }

    /// `P` is 4 for a layer that pools, else 1.
    #[inline(always)]
    fn tiles<const P: usize>(&self, input: &[u8], output: &mut [u8]) {
        let mut patches: [Vec<i16>; P] = [const { Vec::new() }; P];
        for patch in &mut patches {
            patch.resize(self.taps, 0);
        }
        let stride = if P == 4 { 2 } else { 1 };
        for (pixel, output) in output.chunks_exact_mut(self.output.channels).enumerate() {
            let y = stride * (pixel / self.output.width);
            let x = stride * (pixel % self.output.width);
            for (p, patch) in patches.iter_mut().enumerate() {
                self.gather(input, y + p / 2, x + p % 2, patch);
            }
            for (o, (output, row)) in
                output.iter_mut().zip(self.weights.chunks_exact(self.taps)).enumerate()
            {
                let mut largest = i32::MIN;
                for patch in &patches {
                    largest = largest.max(dot(row, patch));
                }
                let sum = self.biases[o].wrapping_add(largest.wrapping_mul(4)).max(0);
                let product = sum.unsigned_abs() as u64 * u64::from(self.multipliers[o]);
                *output = ((product + (1 << 31)) >> 32).min(255) as u8;
            }
        }
    }

    /// The 3x3 patch whose first pixel is (y, x).
    #[inline(always)]
    fn gather(&self, input: &[u8], y: usize, x: usize, patch: &mut [i16]) {
        let channels = self.input.channels;
        for (ky, run) in patch[..9 * channels].chunks_exact_mut(3 * channels).enumerate() {
            let start = ((y + ky) * self.input.width + x) * channels;
            for (to, &from) in run.iter_mut().zip(&input[start..]) {
                *to = i16::from(from);
            }
        }
    }
}

/// The sum of 127 x 255 x 9 x 512 fits `i32`.
#[inline(always)]
fn dot(x: &[i16], y: &[i16]) -> i32 {
    let (x, _) = x.as_chunks::<LANES>();
    let (y, _) = y.as_chunks::<LANES>();
    let mut sums = [0i32; LANES];
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            sums[lane] += i32::from(x[lane]) * i32::from(y[lane]);
        }
    }
    sums.iter().sum()
}
