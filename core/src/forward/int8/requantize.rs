//! From sums to activations.

/// The activation of a sum, both as the [module](super) defines them.
#[inline(always)]
pub(crate) fn requantize(sum: i32, multiplier: u32) -> u32 {
    rounded_high(sum.max(0).cast_unsigned(), multiplier).min(255)
}

/// `(x y + 2^31) / 2^32`, rounded down, for x below 2^31.
#[cfg(not(short_multiply))]
#[inline(always)]
fn rounded_high(x: u32, y: u32) -> u32 {
    let product = u64::from(x) * u64::from(y);
    ((product + (1 << 31)) >> 32) as u32
}

/// The same where a product has 32 bits only: from products of halves, none of
/// whose sums overflows.
#[cfg(any(short_multiply, test))]
#[inline(always)]
fn rounded_high_by_halves(x: u32, y: u32) -> u32 {
    let ([x0, x1], [y0, y1]) = ([x & 0xFFFF, x >> 16], [y & 0xFFFF, y >> 16]);
    let low = x1.wrapping_mul(y0).wrapping_add(x0.wrapping_mul(y0) >> 16);
    let middle = x0.wrapping_mul(y1).wrapping_add(low & 0xFFFF);
    // The high half of `middle` and a half's carry by rounding.
    x1.wrapping_mul(y1).wrapping_add(low >> 16).wrapping_add(((middle >> 15).wrapping_add(1)) >> 1)
}

#[cfg(short_multiply)]
use rounded_high_by_halves as rounded_high;

#[cfg(test)]
mod tests {
    use super::{requantize, rounded_high, rounded_high_by_halves};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_give_the_product(x in 0u32..1 << 31, y: u32, shifts in any::<[u8; 2]>()) {
            let (x, y) = (x >> (shifts[0] % 32), y >> (shifts[1] % 32));
            prop_assert_eq!(rounded_high_by_halves(x, y), rounded_high(x, y));
            prop_assert_eq!(rounded_high_by_halves(x | 0x7FFF_0000, y), rounded_high(x | 0x7FFF_0000, y));
        }
    }

    #[test]
    fn halves_give_the_extreme_products() {
        for x in [0, 1, 0xFFFF, 0x1_0000, 0x7FFF_FFFF] {
            for y in [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x8000_0000, u32::MAX] {
                assert_eq!(rounded_high_by_halves(x, y), rounded_high(x, y));
            }
        }
    }

    #[test]
    fn rounds_half_up_and_saturates() {
        // A multiplier of 2^30 undoes the sum's factor of 4.
        assert_eq!([0, 1, 2, 5, 6].map(|sum| requantize(sum, 1 << 30)), [0, 0, 1, 1, 2]);
        assert_eq!(requantize(-1, u32::MAX), 0);
        assert_eq!(requantize(i32::MIN, u32::MAX), 0);
        assert_eq!(requantize(4 * 255, 1 << 30), 255);
        assert_eq!(requantize(i32::MAX, u32::MAX), 255);
    }
}
