//! 3x3 convolution, ReLU and 2x2 max-pooling as one layer; without the ReLU
//! (`relu` false) where batch normalisation follows.
//!
//! The forward pass computes the four sums of a pooling window together, keeps
//! the largest and which of the four it was. Rows and columns that pooling
//! drops are never computed. Backward, each pooled value passes its gradient
//! to one position only, a quarter of what a convolution's backward pass would
//! touch.

use std::ops::Range;

use lookalike::Shape;
use pulp::Simd;

use super::lanes::{LANES, accumulate, add, for_each_column, load, store};
use super::patches::Patches;

/// The geometry of one layer over a chunk of images.
#[derive(Clone, Debug)]
pub(super) struct ConvPool {
    /// Stored output channels.
    outputs: usize,
    windows: Patches,
}

/// One value's way back: where its 3x3 patch starts in the input, and its gradient.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Routed {
    patch: usize,
    gradient: f32,
}

impl ConvPool {
    /// `input` and `pooled` have channels as stored (padded, but for an image).
    pub fn new(input: Shape, pooled: Shape, images: usize) -> ConvPool {
        let windows = Patches::new(input, (pooled.height, pooled.width), 2, images);
        ConvPool { outputs: pooled.channels, windows }
    }

    /// Offsets of the window's four patches from the window's start.
    fn patches(&self) -> [usize; 4] {
        let (row, pixel) = (self.windows.row(), self.windows.input.channels);
        [0, pixel, row, row + pixel]
    }

    /// `pooled = max(0, max over the window of (weights * input + bias))`, the
    /// outer maximum only if `relu`; `argmax` the position 0 to 3 of the inner
    /// one, the first of equals.
    #[inline(always)]
    pub fn forward<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        (weights, bias): (&[f32], &[f32]),
        pooled: &mut [f32],
        argmax: &mut [u32],
        (images, relu): (usize, bool),
    ) {
        let windows = self.windows.of(images);
        let (pairs, last) = windows.as_chunks::<2>();
        for_each_column!(simd, self.outputs, |column, V| {
            for (i, pair) in pairs.iter().enumerate() {
                let at = 2 * i * self.outputs + column;
                self.tile::<S, 8, V>(
                    simd,
                    input,
                    (weights, bias),
                    pair,
                    column,
                    (pooled, argmax, at, relu),
                );
            }
            for window in last {
                let at = (windows.len() - 1) * self.outputs + column;
                let window = std::slice::from_ref(window);
                self.tile::<S, 4, V>(
                    simd,
                    input,
                    (weights, bias),
                    window,
                    column,
                    (pooled, argmax, at, relu),
                );
            }
        });
    }

    /// `P / 4` windows for `V` vectors of output channels, written at `at` and on.
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        input: &[f32],
        (weights, bias): (&[f32], &[f32]),
        windows: &[usize],
        column: usize,
        (pooled, argmax, at, relu): (&mut [f32], &mut [u32], usize, bool),
    ) {
        let (row, run, patches) = (self.windows.row(), self.windows.run(), self.patches());
        let bias = load::<S, V>(simd, bias, column);
        let mut sums = [bias; P];
        for ky in 0..3 {
            let mut inputs: [&[f32]; P] = [&[]; P];
            for p in 0..P {
                let start = windows[p / 4] + patches[p % 4] + ky * row;
                inputs[p] = &input[start..start + run];
            }
            let weights = &weights[ky * run * self.outputs..];
            sums = accumulate(simd, sums, inputs, weights, self.outputs, column);
        }
        let zero = simd.splat_f32s(0.0);
        for w in 0..P / 4 {
            let at = at + w * self.outputs;
            let mut largest = [zero; V];
            let (positions, _) = S::as_mut_simd_u32s(&mut argmax[at..at + V * S::F32_LANES]);
            for v in 0..V {
                largest[v] = sums[4 * w][v];
                let mut position = simd.splat_u32s(0);
                for q in 1..4 {
                    let sum = sums[4 * w + q][v];
                    let larger = simd.greater_than_f32s(sum, largest[v]);
                    largest[v] = simd.select_f32s(larger, sum, largest[v]);
                    position = simd.select_u32s(larger, simd.splat_u32s(q as u32), position);
                }
                positions[v] = position;
                if relu {
                    // A comparison, not a maximum: a NaN must come through.
                    let negative = simd.less_than_f32s(largest[v], zero);
                    largest[v] = simd.select_f32s(negative, zero, largest[v]);
                }
            }
            store(simd, pooled, at, &largest);
        }
    }

    /// The first layer's backward pass: no gradient for the image. With `relu`
    /// only positive pooled values pass their gradient on.
    ///
    /// `dweights` is `[ky][kx][in][out]`; it and `dbias` are added to. With few
    /// input channels all of a window's patches are multiplied densely, the
    /// gradient masked to the position it belongs to.
    #[inline(always)]
    pub fn backward_first<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        (pooled, argmax, dpooled): (&[f32], &[u32], &[f32]),
        (dweights, dbias): (&mut [f32], &mut [f32]),
        (images, relu): (usize, bool),
    ) {
        for_each_column!(simd, self.outputs, |column, V| {
            for channel in 0..self.windows.input.channels {
                self.backward_channel::<S, V>(
                    simd,
                    &input[channel..],
                    (pooled, argmax, dpooled),
                    (&mut dweights[channel * self.outputs..], dbias),
                    (channel, column),
                    (images, relu),
                );
            }
        });
    }

    /// One input channel's part of [`ConvPool::backward_first`].
    #[inline(always)]
    fn backward_channel<S: Simd, const V: usize>(
        &self,
        simd: S,
        input: &[f32],
        (pooled, argmax, dpooled): (&[f32], &[u32], &[f32]),
        (dweights, dbias): (&mut [f32], &mut [f32]),
        (channel, column): (usize, usize),
        (images, relu): (usize, bool),
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut dw = [[zero; V]; 9];
        let mut db = [zero; V];
        let windows = self.windows.of(images);
        for (w, &window) in windows.iter().enumerate() {
            let at = w * self.outputs + column;
            let values = load::<S, V>(simd, pooled, at);
            let mut gradient = load::<S, V>(simd, dpooled, at);
            let (positions, _) = S::as_simd_u32s(&argmax[at..at + V * S::F32_LANES]);
            for v in 0..V {
                if relu {
                    let active = simd.greater_than_f32s(values[v], zero);
                    gradient[v] = simd.select_f32s(active, gradient[v], zero);
                }
                db[v] = simd.add_f32s(db[v], gradient[v]);
            }
            let mut patch = [0.0; 16];
            for y in 0..4 {
                for x in 0..4 {
                    patch[4 * y + x] =
                        input[window + y * self.windows.row() + x * self.windows.input.channels];
                }
            }
            for q in 0..4 {
                let mut masked = [zero; V];
                for v in 0..V {
                    let here = simd.equal_u32s(positions[v], simd.splat_u32s(q as u32));
                    masked[v] = simd.select_f32s(here, gradient[v], zero);
                }
                for tap in 0..9 {
                    let x = simd.splat_f32s(patch[4 * (tap / 3 + q / 2) + tap % 3 + q % 2]);
                    for v in 0..V {
                        dw[tap][v] = simd.mul_add_e_f32s(x, masked[v], dw[tap][v]);
                    }
                }
            }
        }
        for tap in 0..9 {
            let at = tap * self.windows.input.channels * self.outputs + column;
            add(simd, dweights, at, &dw[tap]);
        }
        if channel == 0 {
            add(simd, dbias, column, &db);
        }
    }

    /// The backward pass of a later layer. `weights` and `dweights` are
    /// `[out][ky][kx][in]`; `dweights` and `dbias` are added to, `dinput` is
    /// overwritten. `channels` is the number of output channels in use. `relu`
    /// as in [`ConvPool::backward_first`].
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn backward<S: Simd>(
        &self,
        simd: S,
        (input, dinput): (&[f32], &mut [f32]),
        weights: &[f32],
        (pooled, argmax, dpooled): (&[f32], &[u32], &[f32]),
        (dweights, dbias): (&mut [f32], &mut [f32]),
        channels: usize,
        routed: &mut Vec<Routed>,
        (images, relu): (usize, bool),
    ) {
        let kernel = 3 * self.windows.run();
        let pooled_len = self.windows.per_image() * self.outputs;
        routed.resize(self.windows.per_image(), Routed::default());
        for image in 0..images {
            let slice = image * self.windows.input.len()..(image + 1) * self.windows.input.len();
            let (input, dinput) = (&input[slice.clone()], &mut dinput[slice]);
            dinput.fill(0.0);
            let of_image = image * pooled_len..(image + 1) * pooled_len;
            for channel in 0..channels {
                let count = self.route(
                    (
                        &pooled[of_image.clone()],
                        &argmax[of_image.clone()],
                        &dpooled[of_image.clone()],
                    ),
                    channel,
                    routed,
                    relu,
                );
                let routed = &routed[..count];
                dbias[channel] += routed.iter().map(|r| r.gradient).sum::<f32>();
                let kernel = channel * kernel..(channel + 1) * kernel;
                self.scatter(
                    simd,
                    (input, dinput),
                    &weights[kernel.clone()],
                    &mut dweights[kernel],
                    routed,
                );
            }
        }
    }

    /// Collects the pooled values of one channel that have a gradient.
    #[inline(always)]
    fn route(
        &self,
        (pooled, argmax, dpooled): (&[f32], &[u32], &[f32]),
        channel: usize,
        routed: &mut [Routed],
        relu: bool,
    ) -> usize {
        let patches = self.patches();
        let mut count = 0;
        let values = pooled[channel..].iter().step_by(self.outputs);
        let positions = argmax[channel..].iter().step_by(self.outputs);
        let gradients = dpooled[channel..].iter().step_by(self.outputs);
        for (((&value, &position), &gradient), &window) in
            values.zip(positions).zip(gradients).zip(self.windows.of(1))
        {
            // Written always, counted when active: no branch to mispredict.
            routed[count] = Routed { patch: window + patches[position as usize & 3], gradient };
            count += usize::from(!relu || value > 0.0);
        }
        count
    }

    /// `dweights += gradient * patch` and `dpatch += gradient * weights` for
    /// one output channel.
    #[inline(always)]
    fn scatter<S: Simd>(
        &self,
        simd: S,
        (input, dinput): (&[f32], &mut [f32]),
        weights: &[f32],
        dweights: &mut [f32],
        routed: &[Routed],
    ) {
        // Padded channels make a run a multiple of three of the widest vectors.
        // Where patches overlap, the order of additions depends on these parts,
        // so they are the same for every width.
        let run = self.windows.run();
        let mut from = 0;
        while from < run {
            let wide = if from + 6 * LANES <= run { 6 * LANES } else { 3 * LANES };
            match wide / S::F32_LANES {
                3 => self.scatter_part::<S, 3>(
                    simd,
                    (input, dinput),
                    weights,
                    dweights,
                    routed,
                    from,
                ),
                6 if S::REGISTER_COUNT >= 32 => {
                    self.scatter_part::<S, 6>(
                        simd,
                        (input, dinput),
                        weights,
                        dweights,
                        routed,
                        from,
                    );
                }
                _ => {
                    for from in (from..from + wide).step_by(3 * S::F32_LANES) {
                        self.dweights_part::<S, 3>(simd, input, dweights, routed, from);
                    }
                    self.dinput_part(simd, dinput, weights, routed, from..from + wide);
                }
            }
            from += wide;
        }
    }

    /// [`ConvPool::scatter`] for `V` vectors of each kernel row, from `from` on.
    #[inline(always)]
    fn scatter_part<S: Simd, const V: usize>(
        &self,
        simd: S,
        (input, dinput): (&[f32], &mut [f32]),
        weights: &[f32],
        dweights: &mut [f32],
        routed: &[Routed],
        from: usize,
    ) {
        let (row, run) = (self.windows.row(), self.windows.run());
        self.dweights_part::<S, V>(simd, input, dweights, routed, from);
        let mut w = [[simd.splat_f32s(0.0); V]; 3];
        for ky in 0..3 {
            w[ky] = load(simd, weights, ky * run + from);
        }
        for r in routed {
            let gradient = simd.splat_f32s(r.gradient);
            for ky in 0..3 {
                let at = r.patch + ky * row + from;
                let mut dx = load::<S, V>(simd, dinput, at);
                for v in 0..V {
                    dx[v] = simd.mul_add_e_f32s(gradient, w[ky][v], dx[v]);
                }
                store(simd, dinput, at, &dx);
            }
        }
    }

    /// The part of `dweights` that [`ConvPool::scatter_part`] adds.
    #[inline(always)]
    fn dweights_part<S: Simd, const V: usize>(
        &self,
        simd: S,
        input: &[f32],
        dweights: &mut [f32],
        routed: &[Routed],
        from: usize,
    ) {
        let (row, run) = (self.windows.row(), self.windows.run());
        let mut dw = [[simd.splat_f32s(0.0); V]; 3];
        for r in routed {
            let gradient = simd.splat_f32s(r.gradient);
            for ky in 0..3 {
                let x = load::<S, V>(simd, input, r.patch + ky * row + from);
                for v in 0..V {
                    dw[ky][v] = simd.mul_add_e_f32s(gradient, x[v], dw[ky][v]);
                }
            }
        }
        for ky in 0..3 {
            add(simd, dweights, ky * run + from, &dw[ky]);
        }
    }

    /// The part of `dinput` that [`ConvPool::scatter_part`] adds, where the
    /// weights do not fit the registers.
    #[inline(always)]
    fn dinput_part<S: Simd>(
        &self,
        simd: S,
        dinput: &mut [f32],
        weights: &[f32],
        routed: &[Routed],
        part: Range<usize>,
    ) {
        let (row, run) = (self.windows.row(), self.windows.run());
        for r in routed {
            let gradient = simd.splat_f32s(r.gradient);
            for ky in 0..3 {
                let (w, _) = S::as_simd_f32s(&weights[ky * run + part.start..][..part.len()]);
                let at = r.patch + ky * row + part.start;
                let (dx, _) = S::as_mut_simd_f32s(&mut dinput[at..at + part.len()]);
                for (dx, w) in dx.iter_mut().zip(w) {
                    *dx = simd.mul_add_e_f32s(gradient, *w, *dx);
                }
            }
        }
    }
}
