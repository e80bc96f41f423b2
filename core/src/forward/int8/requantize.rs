//! From sums to activations.

/// The activation of a sum, both as the [module](super) defines them, for a
/// multiplier below 2^31.
#[inline(always)]
pub(crate) fn requantize(sum: i32, multiplier: u32) -> u32 {
    let sum = sum.max(0).cast_unsigned();
    #[cfg(short_multiply)]
    return rounded_by_halves(sum, multiplier).min(255);
    #[cfg(not(short_multiply))]
    rounded(sum, multiplier).min(255)
}

/// floor((sum multiplier + 2^31) / 2^32)
#[cfg(any(not(short_multiply), test))]
#[inline(always)]
fn rounded(sum: u32, multiplier: u32) -> u32 {
    let product = u64::from(sum) * u64::from(multiplier);
    ((product + (1 << 31)) >> 32) as u32
}

/// The same for factors below 2^31 from their halves, where a product has 32
/// bits. None of the sums reaches 2^32.
#[cfg(any(short_multiply, test))]
#[inline(always)]
fn rounded_by_halves(sum: u32, multiplier: u32) -> u32 {
    let (high, low) = (sum >> 16, sum & 0xFFFF);
    let (m_high, m_low) = (multiplier >> 16, multiplier & 0xFFFF);
    let middle = high.wrapping_mul(m_low).wrapping_add(low.wrapping_mul(m_high));
    let middle = middle.wrapping_add(low.wrapping_mul(m_low) >> 16).wrapping_add(1 << 15);
    high.wrapping_mul(m_high).wrapping_add(middle >> 16)
}

#[cfg(test)]
mod tests {
    use super::{requantize, rounded, rounded_by_halves};

    #[test]
    fn rounds_half_up_and_saturates() {
        // A multiplier of 2^30 undoes the sum's factor of 4.
        assert_eq!([0, 1, 2, 5, 6].map(|sum| requantize(sum, 1 << 30)), [0, 0, 1, 1, 2]);
        assert_eq!(requantize(-1, (1 << 31) - 1), 0);
        assert_eq!(requantize(i32::MIN, (1 << 31) - 1), 0);
        assert_eq!(requantize(4 * 255, 1 << 30), 255);
        assert_eq!(requantize(i32::MAX, (1 << 31) - 1), 255);
    }

    #[test]
    fn halves_give_the_same() {
        let mut values = [0; 31 * 3];
        for (bit, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
            *values = [1 << bit, (2 << bit) - 1, 0x5A5A_A5A5 & ((2 << bit) - 1)];
        }
        for x in values {
            for y in values {
                assert_eq!(rounded_by_halves(x, y), rounded(x, y), "{x} {y}");
            }
        }
    }
}
