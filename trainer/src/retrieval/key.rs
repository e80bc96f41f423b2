//! The order of a ranking as the order of integers.

/// A number that orders as the distance does: -0 equals 0, and NaN, whatever
/// its bits, is farther than infinity and equal to itself.
pub fn order(distance: f32) -> u32 {
    // Adding 0 turns -0 into 0.
    let bits = (distance + 0.0).to_bits();
    // Negative numbers grow with falling bits and must come below the positive.
    let order = bits ^ (((bits as i32) >> 31) as u32 | 0x8000_0000);
    if distance.is_nan() { u32::MAX } else { order }
}

/// The sort key of an item: by distance, then by id.
pub fn key(distance: f32, id: u32) -> u64 {
    (u64::from(order(distance)) << 32) | u64::from(id)
}

#[cfg(test)]
mod tests {
    use super::{key, order};

    #[test]
    fn keys_order_as_distances() {
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -f32::MIN_POSITIVE,
            -1e-45,
            0.0,
            1e-45,
            1.0,
            1.0 + f32::EPSILON,
            f32::MAX,
            f32::INFINITY,
            f32::NAN,
        ];
        assert!(ascending.map(order).is_sorted_by(|a, b| a < b));
        assert_eq!(order(-0.0), order(0.0));
        assert_eq!(order(-f32::NAN), order(f32::NAN));
        assert!(key(1.0, 2) < key(1.0, 3));
        assert!(key(1.0, u32::MAX) < key(1.5, 0));
    }
}
