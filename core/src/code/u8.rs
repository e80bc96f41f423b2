//! Making [`U8`](super::U8) embeddings.

/// Writes the code of non-negative `means`, which are of any common scale:
/// `round(255 mean / largest mean)`, as the integers below round it.
///
/// Means are shifted right until the largest is below 2^16. All are zero: so is
/// the code.
pub(crate) fn encode_means(means: &[u32], code: &mut [u32]) {
    code.fill(0);
    let Some((inverse_norm, values)) = code.split_first_mut() else { return };
    let largest = means.iter().copied().max().unwrap_or_default();
    let shift = 16u32.saturating_sub(largest.leading_zeros());
    // For a largest mean of 0 every value is 0 whatever the factor.
    let factor = (255u32 << 24).checked_div(largest >> shift).unwrap_or_default();
    let mut squares = 0u32;
    for (word, means) in values.iter_mut().zip(means.chunks(4)) {
        for (lane, mean) in means.iter().enumerate() {
            // At most 255 x 2^24, so the sum fits.
            let value = ((mean >> shift).wrapping_mul(factor).wrapping_add(1 << 23)) >> 24;
            squares = squares.wrapping_add(value * value);
            *word |= value << (8 * lane);
        }
    }
    *inverse_norm = inverse_root(squares);
}

/// floor(2^39 / sqrt(squares)); 0 of 0. `squares` is at least 255^2 otherwise.
fn inverse_root(squares: u32) -> u32 {
    // Bit by bit, the largest r with r^2 x squares <= 2^78.
    let squares = u128::from(squares);
    if squares == 0 {
        return 0;
    }
    let mut root = 0u32;
    for bit in (0..32).rev() {
        let candidate = root | 1 << bit;
        if u128::from(candidate) * u128::from(candidate) * squares <= 1 << 78 {
            root = candidate;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mean_becomes_255() {
        let mut code = [7; 3];
        encode_means(&[1004, 2000, 0, 500, 3], &mut code);
        let values = u32::from_le_bytes([128, 255, 0, 64]);
        let squares = 128f64.powi(2) + 255f64.powi(2) + 64f64.powi(2);
        let inverse_norm = (2f64.powi(39) / squares.sqrt()) as u32;
        assert_eq!(code, [inverse_norm, values, 0]);
    }

    #[test]
    fn zero_means_give_a_zero_code() {
        let mut code = [7; 2];
        encode_means(&[0; 4], &mut code);
        assert_eq!(code, [0; 2]);
    }

    #[test]
    fn the_scale_hardly_matters() {
        let (mut small, mut large) = ([0; 3], [0; 3]);
        let means = [17u32, 254, 255, 60, 9, 0, 1, 128];
        encode_means(&means, &mut small);
        encode_means(&means.map(|mean| mean << 24), &mut large);
        assert_eq!(small, large);
    }
}
