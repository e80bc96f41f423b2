//! The convolution kernel for x86-64 processors with 256-bit vectors.
//!
//! A lane holds one output channel, and products are not fused with additions:
//! the result has the portable kernel's bits.

use pulp::x86::V3;
use pulp::{Simd, WithSimd, f32x8};

use super::kernel::{PIXELS, Runs};
use super::{BLOCK, Conv, Kernel, Lanes, Window, features_by};
use crate::chunks::chunks;
use crate::{EmbedError, Network};

/// [`Kernel`] in 256-bit vectors; that it exists shows that the processor has them.
#[derive(Clone, Copy)]
pub(super) struct Avx(V3);

/// The sums of a block at each pixel.
type Sums = [f32x8; PIXELS];

impl Avx {
    /// The kernel, if the processor has the instructions.
    pub fn detect() -> Option<Avx> {
        V3::try_new().map(Avx)
    }

    /// As [`super::features`].
    pub fn features<'w>(
        self,
        network: &Network,
        convs: [Conv<'_>; 3],
        image: &[u8],
        workspace: &'w mut [f32],
    ) -> Result<&'w mut [f32], EmbedError> {
        Simd::vectorize(self.0, Features { kernel: self, network, convs, image, workspace })
    }

    /// The sums of one block.
    #[inline(always)]
    fn sums(self, block: &[Lanes], runs: &Runs<'_>) -> Sums {
        let Some((bias, weights)) = block.split_first() else { return self.zeros() };
        let mut sums = [pulp::cast(*bias); PIXELS];
        for (weights, [a, b, c, d]) in chunks(weights, weights.len() / 3).zip(runs) {
            for ((((weights, a), b), c), d) in weights.iter().zip(*a).zip(*b).zip(*c).zip(*d) {
                self.add(&mut sums, weights, [a, b, c, d]);
            }
        }
        sums
    }

    /// The sums of two blocks: an input that was loaded serves both, and there
    /// are enough independent sums to hide the latency of an addition.
    #[inline(always)]
    fn sums_of_pair(self, [one, two]: [&[Lanes]; 2], runs: &Runs<'_>) -> [Sums; 2] {
        let (Some((bias1, one)), Some((bias2, two))) = (one.split_first(), two.split_first())
        else {
            return [self.zeros(); 2];
        };
        let (mut sums1, mut sums2) = ([pulp::cast(*bias1); PIXELS], [pulp::cast(*bias2); PIXELS]);
        let kernel_rows = chunks(one, one.len() / 3).zip(chunks(two, one.len() / 3));
        for ((one, two), [a, b, c, d]) in kernel_rows.zip(runs) {
            let weights = one.iter().zip(two);
            for (((((one, two), a), b), c), d) in weights.zip(*a).zip(*b).zip(*c).zip(*d) {
                self.add(&mut sums1, one, [a, b, c, d]);
                self.add(&mut sums2, two, [a, b, c, d]);
            }
        }
        [sums1, sums2]
    }

    /// [`Avx::sums`] for one input channel; `patch` is what a pooling window reads.
    #[inline(always)]
    fn sums_of_patch(self, block: &[Lanes], patch: [&[f32; 4]; 4]) -> Sums {
        let [a, b, c, d] = patch;
        let Some([bias, weights @ ..]) = block.as_array::<10>() else { return self.zeros() };
        let (kernel_rows, _) = weights.as_chunks::<3>();
        let mut sums = [pulp::cast(*bias); PIXELS];
        for (weights, [above, below]) in kernel_rows.iter().zip([[a, b], [b, c], [c, d]]) {
            let [[a0, a1, a2, a3], [b0, b1, b2, b3]] = [above, below];
            let inputs = [[a0, a1, b0, b1], [a1, a2, b1, b2], [a2, a3, b2, b3]];
            for (weights, inputs) in weights.iter().zip(inputs) {
                self.add(&mut sums, weights, inputs);
            }
        }
        sums
    }

    /// Writes the maxima over a pooling window; starting from 0, they are the
    /// ReLU too.
    #[inline(always)]
    fn store_maxima(self, sums: Sums, out: &mut [f32]) {
        let mut maxima = self.0.splat_f32s(0.0);
        for sums in sums {
            // Of equal values, and where one is NaN, it is the second that comes
            // out, as in the portable kernel.
            maxima = self.0.max_f32s(sums, maxima);
        }
        let maxima: Lanes = pulp::cast(maxima);
        match out.as_mut_array() {
            Some(out) => *out = maxima,
            None => out.iter_mut().zip(maxima).for_each(|(value, maximum)| *value = maximum),
        }
    }

    /// Adds one input of each pixel times its weights.
    #[inline(always)]
    fn add(self, sums: &mut Sums, weights: &Lanes, inputs: [&f32; PIXELS]) {
        let weights = pulp::cast(*weights);
        for (sum, input) in sums.iter_mut().zip(inputs) {
            let product = self.0.mul_f32s(weights, self.0.splat_f32s(*input));
            *sum = self.0.add_f32s(*sum, product);
        }
    }

    #[inline(always)]
    fn zeros(self) -> Sums {
        [self.0.splat_f32s(0.0); PIXELS]
    }

    /// Calls `each` with the sums of every block in turn.
    #[inline(always)]
    fn for_each_block(self, conv: &Conv<'_>, runs: &Runs<'_>, mut each: impl FnMut(Sums)) {
        let mut blocks = conv.blocks();
        while let Some(block) = blocks.next() {
            match blocks.next() {
                Some(second) => {
                    let [first, second] = self.sums_of_pair([block, second], runs);
                    each(first);
                    each(second);
                }
                None => each(self.sums(block, runs)),
            }
        }
    }
}

impl Kernel for Avx {
    #[inline(always)]
    fn rectified(
        self,
        conv: &Conv<'_>,
        window: &Window<'_, 3>,
        mut each: impl FnMut([Lanes; PIXELS]),
    ) {
        let zero = self.0.splat_f32s(0.0);
        self.for_each_block(
            conv,
            &window.neighbours(),
            #[inline(always)]
            |sums| {
                each(sums.map(
                    #[inline(always)]
                    |sum| pulp::cast(self.0.max_f32s(sum, zero)),
                ))
            },
        );
    }

    #[inline(always)]
    fn pool(self, conv: &Conv<'_>, window: &Window<'_, 4>, out: &mut [f32]) {
        let mut out = out.chunks_mut(BLOCK);
        if let [Some(a), Some(b), Some(c), Some(d)] = window.rows.map(<[f32]>::as_array) {
            for (block, out) in conv.blocks().zip(out) {
                self.store_maxima(self.sums_of_patch(block, [a, b, c, d]), out);
            }
        } else {
            self.for_each_block(
                conv,
                &window.square(),
                #[inline(always)]
                |sums| self.store_maxima(sums, out.next().unwrap_or_default()),
            );
        }
    }
}

struct Features<'a, 'w> {
    kernel: Avx,
    network: &'a Network,
    convs: [Conv<'a>; 3],
    image: &'a [u8],
    workspace: &'w mut [f32],
}

impl<'w> WithSimd for Features<'_, 'w> {
    type Output = Result<&'w mut [f32], EmbedError>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Features { kernel, network, convs, image, workspace } = self;
        features_by(kernel, network, convs, image, workspace)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Compiled;
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn bits_are_those_of_the_portable_kernel(
            channels in 1u16..4, height in 18u16..25, width in 18u16..30,
            widths in [1u16..=20, 1..=20, 1..=40], grid in 1u16..=3, seed: u32,
        ) {
            let Some(avx) = Avx::detect() else { return Ok(()) };
            let network = Network::new([channels, height, width], widths, grid, 0).unwrap();
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 24
            };
            let image: Vec<u8> = (0..network.input().len()).map(|_| next() as u8).collect();
            let [a, b, c] = network.widths();
            let shapes = [[network.input().channels, a], [a, b], [b, c]];
            let packed = shapes.map(|[inputs, outputs]| {
                let rows = outputs.div_ceil(BLOCK) * (9 * inputs + 1);
                let lanes = |_| core::array::from_fn(|_| next() as f32 / 999.0 - 0.1);
                (0..rows).map(lanes).collect::<Vec<Lanes>>()
            });
            let convs = core::array::from_fn(|i| {
                let [inputs, outputs] = shapes[i];
                Conv { packed: &packed[i], inputs, outputs }
            });
            let mut workspaces = [(); 2].map(|()| vec![f32::NAN; network.workspace_len()]);
            let [one, two] = &mut workspaces;
            let portable = features_by(Compiled, &network, convs, &image, one).unwrap();
            let found = avx.features(&network, convs, &image, two).unwrap();
            // A network whose last rectifiers all stay shut shows nothing.
            prop_assume!(portable.iter().any(|value| *value != 0.0));
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(found), bits(portable));
        }
    }
}
