//! The vector primitives that the layers' kernels are made of.
//!
//! Written once over `pulp`'s instruction sets; the widest one the processor
//! has is chosen at run time. A lane holds one output channel and is never
//! summed with another, so the order of additions, and with fused
//! multiply-add the result, does not depend on the vector width.

use pulp::Simd;

/// Channels are padded to a multiple of this: the widest vector in use.
pub const LANES: usize = 16;

/// `channels` rounded up to whole vectors.
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// `V` vectors from `values[at..]`.
#[inline(always)]
pub fn load<S: Simd, const V: usize>(simd: S, values: &[f32], at: usize) -> [S::f32s; V] {
    let mut vectors = [simd.splat_f32s(0.0); V];
    let (found, _) = S::as_simd_f32s(&values[at..at + V * S::F32_LANES]);
    vectors.copy_from_slice(&found[..V]);
    vectors
}

/// Writes `V` vectors to `values[at..]`.
#[inline(always)]
pub fn store<S: Simd, const V: usize>(_: S, values: &mut [f32], at: usize, vectors: &[S::f32s; V]) {
    let (places, _) = S::as_mut_simd_f32s(&mut values[at..at + V * S::F32_LANES]);
    places[..V].copy_from_slice(vectors);
}

/// Adds `V` vectors to `values[at..]`.
#[inline(always)]
pub fn add<S: Simd, const V: usize>(
    simd: S,
    values: &mut [f32],
    at: usize,
    vectors: &[S::f32s; V],
) {
    let (places, _) = S::as_mut_simd_f32s(&mut values[at..at + V * S::F32_LANES]);
    for v in 0..V {
        places[v] = simd.add_f32s(places[v], vectors[v]);
    }
}

/// `sums[p][v] += sum over k of inputs[p][k] * weights[k][column + v]`, where
/// row k of `weights` starts at `k * stride`. All inputs have one length.
#[inline(always)]
pub fn accumulate<S: Simd, const P: usize, const V: usize>(
    simd: S,
    mut sums: [[S::f32s; V]; P],
    mut inputs: [&[f32]; P],
    weights: &[f32],
    stride: usize,
    column: usize,
) -> [[S::f32s; V]; P] {
    let len = inputs[0].len();
    // One length for all lets the compiler drop the checks inside the loop.
    for input in &mut inputs {
        *input = &input[..len];
    }
    for k in 0..len {
        let w = load::<S, V>(simd, weights, k * stride + column);
        for p in 0..P {
            let x = simd.splat_f32s(inputs[p][k]);
            for v in 0..V {
                sums[p][v] = simd.mul_add_e_f32s(x, w[v], sums[p][v]);
            }
        }
    }
    sums
}

/// Calls a kernel `$kernel::<S, {..}, V>` for each group of output vectors:
/// where the sums of eight pixels fit the registers twice, two at a time and a
/// last odd one alone; elsewhere one at a time. `$column` is the group's first
/// lane.
macro_rules! for_each_column {
    ($simd:ident, $width:expr, |$column:ident, $V:ident| $body:block) => {{
        let lanes = S::F32_LANES;
        let mut $column = 0;
        while S::REGISTER_COUNT >= 32 && $column + 2 * lanes <= $width {
            const $V: usize = 2;
            $body
            $column += 2 * lanes;
        }
        while $column < $width {
            const $V: usize = 1;
            $body
            $column += lanes;
        }
    }};
}
pub(crate) use for_each_column;
