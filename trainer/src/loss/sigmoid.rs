//! The logistic function and its slope, for many arguments at once.
//!
//! Plain arithmetic without a branch or a call: a loop over a list, in a
//! function that is dispatched to an instruction set, becomes one over
//! vectors, and its bits do not depend on their width.

use std::f32::consts::LOG2_E;

/// Below this exponent `e^x` would leave the normal numbers.
const LEAST: f32 = -87.0;

/// `e^x` for x from [`LEAST`] to 0, within 2 units in the last place; NaN
/// stays NaN.
///
/// `x = n ln 2 + r` with an integer n, `e^x = 2^n e^r`: the way and the
/// polynomial of `expf` in Cephes (Moshier).
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * (355.0 / 512.0) + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        p = p * r + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * (r * r) + r + 1.0) * power
}

/// `u = 1 / (1 + e^-x)` and `u (1 - u)`, each within 1e-6 of its size as long
/// as that is above 1e-37.
#[inline(always)]
pub fn sigmoid(x: f32) -> (f32, f32) {
    let x_below = -x.abs();
    // A comparison, since `max` would drop a NaN.
    let small = exp(if x_below < LEAST { LEAST } else { x_below });
    let large = 1.0 / (1.0 + small);
    let slope = small * large * large;
    (if x < 0.0 { small * large } else { large }, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_and_slope_are_accurate() {
        for i in -860_000..=860_000 {
            let x = i as f32 / 1e4;
            let (u, slope) = sigmoid(x);
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            let exact_slope = exact / (1.0 + f64::from(x).exp());
            assert!((f64::from(u) / exact - 1.0).abs() < 1e-6, "{x}: {u} {exact}");
            assert!((f64::from(slope) / exact_slope - 1.0).abs() < 1e-6, "{x}: {slope}");
        }
    }

    #[test]
    fn sigmoid_at_its_ends() {
        assert_eq!(sigmoid(0.0), (0.5, 0.25));
        for x in [88.0, 1e30, f32::INFINITY] {
            let ((one, slope), (zero, slope_below)) = (sigmoid(x), sigmoid(-x));
            assert_eq!(one, 1.0);
            assert!(zero < 1e-37 && slope < 1e-37 && slope == slope_below);
        }
        assert!(sigmoid(f32::NAN).0.is_nan() && sigmoid(f32::NAN).1.is_nan());
    }
}
