//! From sums to activations.

/// The activation of a sum, both as the [module](super) defines them.
#[inline(always)]
pub(crate) fn requantize(sum: i32, multiplier: u32) -> u32 {
    let product = u64::from(sum.max(0).cast_unsigned()) * u64::from(multiplier);
    let rounded = (product + (1 << 31)) >> 32;
    rounded.min(255) as u32
}

#[cfg(test)]
mod tests {
    use super::requantize;

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
