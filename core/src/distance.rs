//! Distances between embeddings.

#[cfg(arm_vfma)]
use crate::machine::fpu::lane_products;

/// Partial sums that are kept side by side, so that the sum vectorises without
/// a change of order: the result has the same bits on every target without fused
/// multiply-add.
const LANES: usize = 8;

/// The sums of products of corresponding lanes, over the length of the shorter.
#[cfg(not(arm_vfma))]
#[inline(always)]
fn lane_products(x: &[[f32; LANES]], y: &[[f32; LANES]]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums
}

/// Scalar product of two vectors of equal length; of unequal ones, over the
/// length of the shorter.
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let len = x.len().min(y.len());
    let (x, y) = (x.get(..len).unwrap_or_default(), y.get(..len).unwrap_or_default());
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    let [a, b, c, d, e, f, g, h] = lane_products(x_blocks, y_blocks);
    let mut sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
    for (x, y) in x_rest.iter().zip(y_rest) {
        sum += x * y;
    }
    sum
}

/// Squared Euclidean distance of two vectors of unit length, from 0 to 4.
///
/// |x - y|^2 = |x|^2 + |y|^2 - 2 x.y = 2 - 2 x.y; rounding below 0 is clamped.
pub fn squared_distance(x: &[f32], y: &[f32]) -> f32 {
    let distance = 2.0 - 2.0 * dot(x, y);
    if distance < 0.0 { 0.0 } else { distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn dot_is_the_sum_of_products(
            pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..70),
        ) {
            let (x, y): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let expected: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&x, &y)) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn distances_of_unit_vectors() {
        assert_eq!(squared_distance(&[0.6, 0.8], &[0.6, 0.8]), 0.0);
        assert_eq!(squared_distance(&[1.0, 0.0], &[0.0, 1.0]), 2.0);
        assert_eq!(squared_distance(&[1.0, 0.0], &[-1.0, 0.0]), 4.0);
        // A rounded norm slightly above 1 must not give a negative distance.
        assert_eq!(squared_distance(&[1.000_000_1], &[1.000_000_1]), 0.0);
    }

    #[test]
    fn unequal_lengths_use_the_shorter() {
        let counting: [f32; 20] = core::array::from_fn(|i| i as f32);
        // 0 + 1 + ... + 8
        assert_eq!(dot(&counting, &[1.0; 9]), 36.0);
        assert_eq!(dot(&[1.0; 9], &counting), 36.0);
    }
}
