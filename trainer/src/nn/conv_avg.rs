//! 3x3 convolution, ReLU and adaptive average-pooling: the last layer of the
//! trunk, whose output is the feature vector. Batch normalisation, where there
//! is one, comes between convolution and ReLU (`relu` false).

use lookalike::{Network, Shape};
use pulp::Simd;

use super::lanes::{LANES, accumulate, add, for_each_column, load, store};
use super::patches::Patches;

/// Pixels that a kernel takes at once.
const PIXELS: usize = 8;

/// The geometry of the layer over a chunk of images.
#[derive(Clone, Debug)]
pub(super) struct ConvAvg {
    network: Network,
    /// The convolution's output, channels padded.
    output: Shape,
    patches: Patches,
}

impl ConvAvg {
    /// `input` and `output` have padded channels.
    pub fn new(network: &Network, input: Shape, output: Shape, images: usize) -> ConvAvg {
        let patches = Patches::new(input, (output.height, output.width), 1, images);
        ConvAvg { network: *network, output, patches }
    }

    /// `activation = max(0, weights * input + bias)`, the maximum only if `relu`.
    #[inline(always)]
    pub fn convolve<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        (weights, bias): (&[f32], &[f32]),
        activation: &mut [f32],
        (images, relu): (usize, bool),
    ) {
        let patches = self.patches.of(images);
        let (blocks, last) = patches.as_chunks::<PIXELS>();
        for_each_column!(simd, self.output.channels, |column, V| {
            for (i, block) in blocks.iter().enumerate() {
                let to = &mut activation[i * PIXELS * self.output.channels..];
                self.block::<S, PIXELS, V>(simd, input, (weights, bias), (block, column, relu), to);
            }
            for (i, pixel) in last.iter().enumerate() {
                let to = &mut activation[(blocks.len() * PIXELS + i) * self.output.channels..];
                let pixel = &[*pixel];
                self.block::<S, 1, V>(simd, input, (weights, bias), (pixel, column, relu), to);
            }
        });
    }

    /// `P` pixels, `V` vectors of output channels.
    #[inline(always)]
    fn block<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        input: &[f32],
        (weights, bias): (&[f32], &[f32]),
        (patches, column, relu): (&[usize; P], usize, bool),
        activation: &mut [f32],
    ) {
        let outputs = self.output.channels;
        let run = self.patches.run();
        let mut sums = [load::<S, V>(simd, bias, column); P];
        for ky in 0..3 {
            let inputs = patches.map(|patch| &input[patch + ky * self.patches.row()..][..run]);
            sums = accumulate(simd, sums, inputs, &weights[ky * run * outputs..], outputs, column);
        }
        let zero = simd.splat_f32s(0.0);
        for p in 0..P {
            for v in 0..V {
                // A comparison, not a maximum: a NaN must come through.
                let negative = simd.less_than_f32s(sums[p][v], zero);
                if relu {
                    sums[p][v] = simd.select_f32s(negative, zero, sums[p][v]);
                }
            }
            store(simd, activation, p * outputs + column, &sums[p]);
        }
    }

    /// The grid cells: row and column windows of cell (gy, gx), and 1 / area.
    fn cells(&self) -> impl Iterator<Item = (usize, [std::ops::Range<usize>; 2], f32)> + '_ {
        let grid = self.network.grid();
        (0..grid * grid).map(move |cell| {
            let rows = self.network.grid_window(cell / grid, self.output.height);
            let columns = self.network.grid_window(cell % grid, self.output.width);
            let scale = 1.0 / (rows.len() * columns.len()) as f32;
            (cell, [rows, columns], scale)
        })
    }

    /// The mean of `activation` over each grid cell, `[images][channel][gy][gx]`.
    #[inline(always)]
    pub fn average(&self, activation: &[f32], features: &mut [f32]) {
        for (features, activation) in features
            .chunks_exact_mut(self.network.embedding_len())
            .zip(activation.chunks_exact(self.output.len()))
        {
            self.average_image(activation, features);
        }
    }

    #[inline(always)]
    fn average_image(&self, activation: &[f32], features: &mut [f32]) {
        let cells = self.network.grid() * self.network.grid();
        for (cell, [rows, columns], scale) in self.cells() {
            for from in (0..self.output.channels).step_by(LANES) {
                let mut sum = [0.0f32; LANES];
                for y in rows.clone() {
                    for x in columns.clone() {
                        let pixel = (y * self.output.width + x) * self.output.channels;
                        let pixel = &activation[pixel + from..][..LANES];
                        for lane in 0..LANES {
                            sum[lane] += pixel[lane];
                        }
                    }
                }
                let channels = features[from * cells..].iter_mut().skip(cell).step_by(cells);
                for (feature, sum) in channels.zip(sum) {
                    *feature = sum * scale;
                }
            }
        }
    }

    /// The gradient of the activation from that of the features: each pixel
    /// collects from the cells that it is in, where the ReLU let it through.
    #[inline(always)]
    pub fn average_backward(&self, dfeatures: &[f32], activation: &[f32], dactivation: &mut [f32]) {
        let len = self.output.len();
        for ((dfeatures, activation), dactivation) in dfeatures
            .chunks_exact(self.network.embedding_len())
            .zip(activation.chunks_exact(len))
            .zip(dactivation.chunks_exact_mut(len))
        {
            self.average_image_backward(dfeatures, activation, dactivation);
        }
    }

    /// `weights` is `[ky][kx][out][in]`, `dweights` is `[ky][kx][in][out]`; it
    /// and `dbias` are added to, `dinput` is overwritten.
    #[inline(always)]
    pub fn convolve_backward<S: Simd>(
        &self,
        simd: S,
        (input, dinput): (&[f32], &mut [f32]),
        weights: &[f32],
        dactivation: &[f32],
        (dweights, dbias): (&mut [f32], &mut [f32]),
        images: usize,
    ) {
        let dactivation = &dactivation[..images * self.output.len()];
        for pixel in dactivation.chunks_exact(self.output.channels) {
            for (db, d) in dbias.iter_mut().zip(pixel) {
                *db += d;
            }
        }

        let patches = self.patches.of(images);
        for_each_column!(simd, self.output.channels, |column, V| {
            for ky in 0..3 {
                // A run is a multiple of three times LANES, so of PIXELS too.
                for k in (0..self.patches.run()).step_by(PIXELS) {
                    let input = &input[ky * self.patches.row() + k..];
                    let at = (ky * self.patches.run() + k) * self.output.channels + column;
                    self.dweights_block::<S, V>(
                        simd,
                        input,
                        patches,
                        &dactivation[column..],
                        &mut dweights[at..],
                    );
                }
            }
        });

        dinput[..images * self.patches.input.len()].fill(0.0);
        let (blocks, last) = patches.as_chunks::<PIXELS>();
        for_each_column!(simd, self.patches.input.channels, |column, V| {
            for (i, block) in blocks.iter().enumerate() {
                let d = &dactivation[i * PIXELS * self.output.channels..];
                self.dinput_block::<S, PIXELS, V>(simd, d, weights, block, column, dinput);
            }
            for (i, pixel) in last.iter().enumerate() {
                let d = &dactivation[(blocks.len() * PIXELS + i) * self.output.channels..];
                self.dinput_block::<S, 1, V>(simd, d, weights, &[*pixel], column, dinput);
            }
        });
    }

    #[inline(always)]
    fn average_image_backward(
        &self,
        dfeatures: &[f32],
        activation: &[f32],
        dactivation: &mut [f32],
    ) {
        let cells = self.network.grid() * self.network.grid();
        dactivation.fill(0.0);
        for (cell, [rows, columns], scale) in self.cells() {
            for from in (0..self.network.widths()[2]).step_by(LANES) {
                let mut share = [0.0f32; LANES];
                let channels = dfeatures[from * cells..].iter().skip(cell).step_by(cells);
                for (share, d) in share.iter_mut().zip(channels) {
                    *share = d * scale;
                }
                for y in rows.clone() {
                    for x in columns.clone() {
                        let pixel = (y * self.output.width + x) * self.output.channels;
                        let pixel = &mut dactivation[pixel + from..][..LANES];
                        for lane in 0..LANES {
                            pixel[lane] += share[lane];
                        }
                    }
                }
            }
        }
        for (d, &a) in dactivation.iter_mut().zip(activation) {
            *d = if a > 0.0 { *d } else { 0.0 };
        }
    }

    /// `PIXELS` rows of `dweights`: the sum over pixels of input times gradient.
    #[inline(always)]
    fn dweights_block<S: Simd, const V: usize>(
        &self,
        simd: S,
        input: &[f32],
        patches: &[usize],
        dactivation: &[f32],
        dweights: &mut [f32],
    ) {
        let outputs = self.output.channels;
        let mut sums = [[simd.splat_f32s(0.0); V]; PIXELS];
        for (pixel, &patch) in patches.iter().enumerate() {
            let d = load::<S, V>(simd, dactivation, pixel * outputs);
            let x = &input[patch..patch + PIXELS];
            for k in 0..PIXELS {
                let x = simd.splat_f32s(x[k]);
                for v in 0..V {
                    sums[k][v] = simd.mul_add_e_f32s(x, d[v], sums[k][v]);
                }
            }
        }
        for k in 0..PIXELS {
            add(simd, dweights, k * outputs, &sums[k]);
        }
    }

    /// Adds what `P` pixels pass back to their patches.
    #[inline(always)]
    fn dinput_block<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        dactivation: &[f32],
        weights: &[f32],
        patches: &[usize; P],
        column: usize,
        dinput: &mut [f32],
    ) {
        let (inputs, outputs) = (self.patches.input.channels, self.output.channels);
        let channels = self.network.widths()[2];
        for tap in 0..9 {
            let mut d: [&[f32]; P] = [&[]; P];
            for p in 0..P {
                d[p] = &dactivation[p * outputs..][..channels];
            }
            let zero = [[simd.splat_f32s(0.0); V]; P];
            let weights = &weights[tap * outputs * inputs..];
            let sums = accumulate(simd, zero, d, weights, inputs, column);
            let offset = tap / 3 * self.patches.row() + tap % 3 * inputs + column;
            for p in 0..P {
                add(simd, dinput, patches[p] + offset, &sums[p]);
            }
        }
    }
}
