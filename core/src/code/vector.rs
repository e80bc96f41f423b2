//! Vectors of bytes with an inverse norm: what [`U8`](super::U8) and
//! [`Projected`](super::Projected) share.

use super::UNITS;

/// Shifts means or values until the largest is below 2^16.
const LARGEST_BITS: u32 = 16;

/// How values of any common scale become bytes:
/// `round(top value / largest value)`, as these integers round it.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    shift: u32,
    factor: u32,
}

impl Scale {
    /// `top` is at most 255. The scale of values that are all 0 keeps them so.
    pub fn new(largest: u32, top: u32) -> Scale {
        let shift = LARGEST_BITS.saturating_sub(largest.leading_zeros());
        let factor = (top << 24).checked_div(largest >> shift).unwrap_or_default();
        Scale { shift, factor }
    }

    /// The byte of a value that is at most the largest.
    #[inline(always)]
    pub fn apply(self, value: u32) -> u32 {
        // At most 255 x 2^24, so the sum fits.
        (value >> self.shift).wrapping_mul(self.factor).wrapping_add(1 << 23) >> 24
    }
}

/// floor(2^(bits / 2) / sqrt(squares)) for `squares` of at least 2^(bits - 64),
/// 0 of 0; `bits` is 76 or 78.
pub(super) fn inverse_root(squares: u32, bits: u32) -> u32 {
    let squares = u64::from(squares);
    // The root of a quotient is that of the quotient rounded down. The division
    // takes two steps, as 2^bits does not fit 64 bits.
    let power = 1u64 << 62;
    let (Some(high), Some(rest)) = (power.checked_div(squares), power.checked_rem(squares)) else {
        return 0;
    };
    let shift = bits.wrapping_sub(62) & 31;
    let low = (rest << shift).checked_div(squares).unwrap_or_default();
    let quotient = (high << shift).wrapping_add(low);
    u32::try_from(quotient.isqrt()).unwrap_or(u32::MAX)
}

/// round(dot x y / 2^(shift + 32)): the cosine in units of 2^-23 if x and y are
/// the vectors' inverse norms.
#[inline(always)]
pub(super) fn cosine(dot: u32, x: u32, y: u32, shift: u32) -> u32 {
    let product = u64::from(dot).wrapping_mul(u64::from(x));
    let (low, high) = (product & u64::from(u32::MAX), product >> 32);
    let y = u64::from(y);
    let sum = high.wrapping_mul(y).wrapping_add(low.wrapping_mul(y) >> 32);
    (sum.wrapping_add(1 << (shift - 1)) >> shift) as u32
}

/// Cosine 0 as a distance.
pub(super) const ORTHOGONAL: u32 = 2 * UNITS;
