//! Batch normalisation of a layer over the images of a chunk.
//!
//! `z = (x - mean) / sqrt(variance + epsilon)`, then `max(0, z + shift)`, mean
//! and variance over a chunk's images and pixels (Ioffe and Szegedy, ICML 2015;
//! statistics of a part of the batch: Hoffer et al., "Train longer, generalize
//! better", NeurIPS 2017, section 4). There is no learned scale: a ReLU network
//! can move it into the next layer's weights. Where the layer pools, `x` is
//! pooled already: the scale is positive, so normalising after the maximum is
//! normalising before it, at a quarter of the cost.

use pulp::Simd;

use super::lanes::{add, for_each_column, load, store};

/// Keeps a constant channel from dividing by zero; PyTorch's default.
pub(super) const EPSILON: f32 = 1e-5;

/// Rows that are summed before they are added to the total, which keeps the
/// rounding error of long sums small.
const BLOCK: usize = 128;

/// One layer's values over a chunk, and what its backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    /// Channels as stored.
    channels: usize,
    /// `z`: `[images][pixels][channels]`.
    values: Vec<f32>,
    /// Of each channel, over the images seen last.
    pub mean: Vec<f32>,
    /// As `mean`; divided by the number of values.
    pub variance: Vec<f32>,
    /// Sums over a chunk in the backward pass.
    sums: [Vec<f32>; 2],
}

impl Norm {
    /// For up to `len` values.
    pub fn new(channels: usize, len: usize) -> Norm {
        let per_channel = || vec![0.0; channels];
        Norm {
            channels,
            values: vec![0.0; len],
            mean: per_channel(),
            variance: per_channel(),
            sums: [per_channel(), per_channel()],
        }
    }

    /// Normalises the first `len` of `values` and replaces them by
    /// `max(0, z + shift)`.
    #[inline(always)]
    pub fn forward<S: Simd>(&mut self, simd: S, shift: &[f32], values: &mut [f32], len: usize) {
        let Norm { channels, values: normalized, mean, variance, .. } = self;
        let (width, rows) = (*channels, len / *channels);
        let (values, normalized) = (&mut values[..len], &mut normalized[..len]);
        let count = simd.splat_f32s(1.0 / rows as f32);
        mean.fill(0.0);
        variance.fill(0.0);
        let zero = simd.splat_f32s(0.0);
        for_each_column!(simd, width, |column, V| {
            for block in values.chunks(BLOCK * width) {
                let mut sum = [zero; V];
                for row in block.chunks_exact(width) {
                    let x = load::<S, V>(simd, row, column);
                    for v in 0..V {
                        sum[v] = simd.add_f32s(sum[v], x[v]);
                    }
                }
                add(simd, mean, column, &sum);
            }
            let mut center = load::<S, V>(simd, mean, column);
            for v in 0..V {
                center[v] = simd.mul_f32s(center[v], count);
            }
            store(simd, mean, column, &center);
            for block in values.chunks(BLOCK * width) {
                let mut sum = [zero; V];
                for row in block.chunks_exact(width) {
                    let x = load::<S, V>(simd, row, column);
                    for v in 0..V {
                        let d = simd.sub_f32s(x[v], center[v]);
                        sum[v] = simd.mul_add_e_f32s(d, d, sum[v]);
                    }
                }
                add(simd, variance, column, &sum);
            }
        });
        for variance in variance.iter_mut() {
            *variance /= rows as f32;
        }
        let scale = &mut self.sums[0];
        for (scale, variance) in scale.iter_mut().zip(&self.variance) {
            *scale = scale_of(*variance);
        }
        for_each_column!(simd, width, |column, V| {
            let center = load::<S, V>(simd, mean, column);
            let scale = load::<S, V>(simd, scale, column);
            let shift = load::<S, V>(simd, shift, column);
            let rows = values.chunks_exact_mut(width);
            for (row, normalized) in rows.zip(normalized.chunks_exact_mut(width)) {
                let mut z = load::<S, V>(simd, row, column);
                let mut y = z;
                for v in 0..V {
                    z[v] = simd.mul_f32s(simd.sub_f32s(z[v], center[v]), scale[v]);
                    y[v] = simd.add_f32s(z[v], shift[v]);
                    // A comparison, not a maximum: a NaN must come through.
                    let negative = simd.less_than_f32s(y[v], zero);
                    y[v] = simd.select_f32s(negative, zero, y[v]);
                }
                store(simd, normalized, column, &z);
                store(simd, row, column, &y);
            }
        });
    }

    /// Turns the gradient `d` of `active` into that of what was normalised, and
    /// adds that of `shift` to `dshift`.
    ///
    /// With `g` the gradient where the ReLU let it through, `dx = (g - mean(g)
    /// - z * mean(g * z)) / sqrt(variance + epsilon)`.
    #[inline(always)]
    pub fn backward<S: Simd>(
        &mut self,
        simd: S,
        active: &[f32],
        d: &mut [f32],
        dshift: &mut [f32],
        len: usize,
    ) {
        let Norm { channels, values, variance, sums: [sum, product], .. } = self;
        let (width, rows) = (*channels, len / *channels);
        let (values, active, d) = (&values[..len], &active[..len], &mut d[..len]);
        sum.fill(0.0);
        product.fill(0.0);
        let zero = simd.splat_f32s(0.0);
        let count = simd.splat_f32s(1.0 / rows as f32);
        for_each_column!(simd, width, |column, V| {
            for ((z, y), d) in values
                .chunks(BLOCK * width)
                .zip(active.chunks(BLOCK * width))
                .zip(d.chunks_mut(BLOCK * width))
            {
                let (mut a, mut b) = ([zero; V], [zero; V]);
                for ((z, y), d) in
                    z.chunks_exact(width).zip(y.chunks_exact(width)).zip(d.chunks_exact_mut(width))
                {
                    let z = load::<S, V>(simd, z, column);
                    let y = load::<S, V>(simd, y, column);
                    let mut g = load::<S, V>(simd, d, column);
                    for v in 0..V {
                        let passed = simd.greater_than_f32s(y[v], zero);
                        g[v] = simd.select_f32s(passed, g[v], zero);
                        a[v] = simd.add_f32s(a[v], g[v]);
                        b[v] = simd.mul_add_e_f32s(g[v], z[v], b[v]);
                    }
                    store(simd, d, column, &g);
                }
                add(simd, sum, column, &a);
                add(simd, product, column, &b);
            }
        });
        for (dshift, sum) in dshift.iter_mut().zip(sum.iter()) {
            *dshift += sum;
        }
        for variance in variance.iter_mut() {
            *variance = scale_of(*variance);
        }
        for_each_column!(simd, width, |column, V| {
            let mut mean = load::<S, V>(simd, sum, column);
            let mut slope = load::<S, V>(simd, product, column);
            let scale = load::<S, V>(simd, variance, column);
            for v in 0..V {
                mean[v] = simd.mul_f32s(mean[v], count);
                slope[v] = simd.mul_f32s(slope[v], count);
            }
            for (z, d) in values.chunks_exact(width).zip(d.chunks_exact_mut(width)) {
                let z = load::<S, V>(simd, z, column);
                let mut g = load::<S, V>(simd, d, column);
                for v in 0..V {
                    let along = simd.mul_f32s(z[v], slope[v]);
                    let rest = simd.sub_f32s(simd.sub_f32s(g[v], mean[v]), along);
                    g[v] = simd.mul_f32s(rest, scale[v]);
                }
                store(simd, d, column, &g);
            }
        });
    }
}

/// What a deviation from the mean is multiplied by.
pub(super) fn scale_of(variance: f32) -> f32 {
    1.0 / (variance + EPSILON).sqrt()
}
