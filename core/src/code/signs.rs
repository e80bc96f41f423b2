//! Bits of a projected embedding: on which side of many hyperplanes it lies.
//!
//! Hyperplanes of random direction separate two vectors the more often, the
//! larger the angle between them (Charikar, STOC 2002). A Hadamard transform of
//! the values with random signs gives as many such planes as there are values,
//! by additions alone and without storing them (Andoni et al., NIPS 2015).

/// Values of a projection at most: a sum of magnitudes up to 127 fits `i16`.
const MAX_VALUES: usize = 256;

/// Calls `bit(k)` for each bit k below `bits` that is 1, of a projection's
/// `values`, from 1 to 256.
///
/// With H the least power of two that is not below their number, zeros behind
/// the last value v_j, and signs f_bj: bit k = b H + i is 1 if
///
/// ```text
/// sum over j < H of (-1)^(number of ones in i AND j) f_bj v_j > 0
/// ```
///
/// f_bj is -1 where the highest bit of x_n is 1, n = b H + j + 1, else 1; x_0 = 1
/// and x_n = 1664525 x_(n-1) + 1013904223 modulo 2^32.
pub(super) fn for_each_bit(values: &[i8], bits: usize, mut bit: impl FnMut(usize)) {
    let mut sums = [0i16; MAX_VALUES];
    let size = values.len().max(1).next_power_of_two();
    let Some(sums) = sums.get_mut(..size) else { return };
    let mut random = 1u32;
    let mut base = 0;
    while base < bits {
        let padded = values.iter().copied().chain(core::iter::repeat(0));
        for (sum, value) in sums.iter_mut().zip(padded) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = i16::from(value);
            *sum = if random >> 31 == 1 { value.wrapping_neg() } else { value };
        }
        transform(sums);
        for (i, sum) in sums.iter().take(bits - base).enumerate() {
            if *sum > 0 {
                bit(base + i);
            }
        }
        base = base.saturating_add(size);
    }
}

/// The Walsh-Hadamard transform, in place, of a power of two of values.
fn transform(values: &mut [i16]) {
    let mut half = 1;
    while half < values.len() {
        for pair in 0..values.len() / 2 {
            let below = pair & (half - 1);
            let first = ((pair ^ below) << 1) | below;
            let second = first | half;
            let (x, y) = (get(values, first), get(values, second));
            set(values, first, x.wrapping_add(y));
            set(values, second, x.wrapping_sub(y));
        }
        half <<= 1;
    }
}

#[inline(always)]
fn get(values: &[i16], at: usize) -> i16 {
    values.get(at).copied().unwrap_or_default()
}

#[inline(always)]
fn set(values: &mut [i16], at: usize, value: i16) {
    if let Some(slot) = values.get_mut(at) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::{vec, vec::Vec};

    /// The definition, sum by sum.
    fn naive(values: &[i8], bits: usize) -> Vec<usize> {
        let size = values.len().next_power_of_two();
        let mut random = 1u64;
        let mut signs = Vec::new();
        for _ in 0..bits + size {
            random = (random * 1_664_525 + 1_013_904_223) % (1 << 32);
            signs.push(if random >= 1 << 31 { -1 } else { 1 });
        }
        let sum = |k: usize| -> i32 {
            let (block, i) = (k / size, k % size);
            let term = |(j, &v): (usize, &i8)| {
                let parity = if (i & j).count_ones().is_multiple_of(2) { 1 } else { -1 };
                parity * signs[block * size + j] * i32::from(v)
            };
            values.iter().enumerate().map(term).sum()
        };
        (0..bits).filter(|&k| sum(k) > 0).collect()
    }

    fn found(values: &[i8], bits: usize) -> Vec<usize> {
        let mut ones = Vec::new();
        for_each_bit(values, bits, |bit| ones.push(bit));
        ones
    }

    proptest! {
        #[test]
        fn bits_are_those_of_the_definition(
            values in prop::collection::vec(-127i8..=127, 1..=256), bits in 0usize..300,
        ) {
            prop_assert_eq!(found(&values, bits), naive(&values, bits));
        }
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let values = vec![127; 256];
        assert_eq!(found(&values, 256), naive(&values, 256));
        let values: Vec<i8> = (0..256).map(|j| if j % 3 == 0 { -127 } else { 127 }).collect();
        assert_eq!(found(&values, 512), naive(&values, 512));
        assert!(found(&[0; 7], 64).is_empty());
    }
}
