//! The inner loops of a search.

use crate::chunks::chunks;
#[cfg(arm_dsp)]
use crate::machine::dsp::search::{dot_pair, signed_dot_pair};
#[cfg(arm_v6m)]
use crate::machine::v6m::search::{dot_pair, signed_dot_pair};

/// Sums of products of bytes of corresponding words, over the length of the
/// shortest slice, modulo 2^32: of the query and each of two items.
///
/// Two at a time, so that the query is unpacked once for both.
#[cfg(not(any(arm_dsp, arm_v6m)))]
#[inline(always)]
fn dot_pair(query: &[u32], items: [&[u32]; 2]) -> [u32; 2] {
    let len = query.len().min(items[0].len()).min(items[1].len());
    let [query, a, b] = [query, items[0], items[1]]
        .map(|words| bytemuck::cast_slice::<u32, u8>(words.get(..len).unwrap_or_default()));
    let products = |x: &[u8; 4], y: &[u8; 4]| {
        let product = |i: usize| u32::from(x[i]) * u32::from(y[i]);
        product(0) + product(1) + product(2) + product(3)
    };
    let [mut of_a, mut of_b] = [0u32; 2];
    for ((x, a), b) in query.as_chunks().0.iter().zip(a.as_chunks().0).zip(b.as_chunks().0) {
        of_a = of_a.wrapping_add(products(x, a));
        of_b = of_b.wrapping_add(products(x, b));
    }
    [of_a, of_b]
}

/// [`dot_pair`] of signed bytes.
#[cfg(not(any(arm_dsp, arm_v6m)))]
#[inline(always)]
fn signed_dot_pair(query: &[u32], items: [&[u32]; 2]) -> [i32; 2] {
    let len = query.len().min(items[0].len()).min(items[1].len());
    let [query, a, b] = [query, items[0], items[1]]
        .map(|words| bytemuck::cast_slice::<u32, i8>(words.get(..len).unwrap_or_default()));
    let products = |x: &[i8; 4], y: &[i8; 4]| {
        let product = |i: usize| i32::from(x[i]) * i32::from(y[i]);
        product(0) + product(1) + product(2) + product(3)
    };
    let [mut of_a, mut of_b] = [0i32; 2];
    for ((x, a), b) in query.as_chunks().0.iter().zip(a.as_chunks().0).zip(b.as_chunks().0) {
        of_a = of_a.wrapping_add(products(x, a));
        of_b = of_b.wrapping_add(products(x, b));
    }
    [of_a, of_b]
}

/// What [`dots`] is of: bytes without or with a sign.
pub(super) trait Bytes {
    type Sum;

    fn dot_pair(query: &[u32], items: [&[u32]; 2]) -> [Self::Sum; 2];
}

pub(super) enum Unsigned {}

impl Bytes for Unsigned {
    type Sum = u32;

    #[inline(always)]
    fn dot_pair(query: &[u32], items: [&[u32]; 2]) -> [u32; 2] {
        dot_pair(query, items)
    }
}

pub(super) enum Signed {}

impl Bytes for Signed {
    type Sum = i32;

    #[inline(always)]
    fn dot_pair(query: &[u32], items: [&[u32]; 2]) -> [i32; 2] {
        signed_dot_pair(query, items)
    }
}

/// Sum of products of bytes of corresponding words.
#[inline(always)]
pub(super) fn dot<B: Bytes>(query: &[u32], item: &[u32]) -> B::Sum {
    let [sum, _] = B::dot_pair(query, [item, item]);
    sum
}

/// [`dot`] of the query and of each item's words but the first, which is handed
/// over with it.
#[inline(always)]
pub(super) fn dots<B: Bytes>(query: &[u32], items: &[u32], mut found: impl FnMut(B::Sum, u32)) {
    let len = query.len().saturating_add(1);
    let mut pairs = chunks(items, 2 * len);
    for pair in &mut pairs {
        let (a, b) = pair.split_at_checked(len).unwrap_or_default();
        if let (Some((x, a)), Some((y, b))) = (a.split_first(), b.split_first()) {
            let [of_a, of_b] = B::dot_pair(query, [a, b]);
            found(of_a, *x);
            found(of_b, *y);
        }
    }
    let odd = items.len() / len.max(1) % 2 == 1;
    let last = items.len().checked_sub(len).and_then(|start| items.get(start..));
    if let Some((first, item)) = last.filter(|_| odd).and_then(<[u32]>::split_first) {
        found(dot::<B>(query, item), *first);
    }
}

/// Number of bits that differ in corresponding words, over the length of the
/// shorter.
#[inline(always)]
pub(super) fn hamming(x: &[u32], y: &[u32]) -> u32 {
    let len = x.len().min(y.len());
    let (x, y) = (x.get(..len).unwrap_or_default(), y.get(..len).unwrap_or_default());
    let (x_blocks, x_rest) = x.as_chunks::<8>();
    let (y_blocks, y_rest) = y.as_chunks::<8>();
    let mut count = 0u32;
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        count = count.wrapping_add(different_bits(x, y));
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        count = count.wrapping_add((x ^ y).count_ones());
    }
    count
}

/// Number of bits that differ in 256, for processors without an instruction for
/// it: full adders turn seven words into three, of ones, twos and fours.
#[inline(always)]
fn different_bits(x: &[u32; 8], y: &[u32; 8]) -> u32 {
    const PAIRS: u32 = 0x5555_5555;
    const NIBBLES: u32 = 0x3333_3333;
    const BYTES: u32 = 0x0F0F_0F0F;
    // Not a loop: a compiler that optimises for size keeps it.
    let (ones_a, twos_a) = full_adder(x[0] ^ y[0], x[1] ^ y[1], x[2] ^ y[2]);
    let (ones_b, twos_b) = full_adder(x[3] ^ y[3], x[4] ^ y[4], x[5] ^ y[5]);
    let (ones, twos_c) = full_adder(ones_a, ones_b, x[6] ^ y[6]);
    let (twos, fours) = full_adder(twos_a, twos_b, twos_c);
    // In each nibble the number of its ones, at most 4.
    let nibbles = |word: u32| {
        let pairs = word.wrapping_sub(word >> 1 & PAIRS);
        (pairs & NIBBLES).wrapping_add(pairs >> 2 & NIBBLES)
    };
    let bytes = |nibbles: u32| (nibbles & BYTES).wrapping_add(nibbles >> 4 & BYTES);
    // At most 8 and 12.
    let low = nibbles(ones).wrapping_add(nibbles(x[7] ^ y[7]));
    let high = nibbles(twos).wrapping_add(nibbles(fours) << 1);
    // At most 16 + 2 x 24 a byte.
    let counts = bytes(low).wrapping_add(bytes(high) << 1);
    let halves = (counts & 0x00FF_00FF).wrapping_add(counts >> 8 & 0x00FF_00FF);
    (halves & 0xFFFF).wrapping_add(halves >> 16)
}

/// Sum and carry of each bit.
#[inline(always)]
fn full_adder(a: u32, b: u32, c: u32) -> (u32, u32) {
    let half = a ^ b;
    (half ^ c, a & b | half & c)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<u32>> {
        let word = prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), Just(0x8080_8080)];
        vec(word, 0..40)
    }

    proptest! {
        #[test]
        fn pairs_equal_plain_sums(query in words(), a in words(), b in words()) {
            let bytes = |words: &[u32]| -> Vec<[u8; 4]> {
                words.iter().map(|word| word.to_le_bytes()).collect()
            };
            let len = query.len().min(a.len()).min(b.len());
            let plain = |item: &[u32], value: fn(u8) -> i64| -> i64 {
                let (x, y) = (bytes(&query[..len]).concat(), bytes(&item[..len]).concat());
                x.into_iter().zip(y).map(|(x, y)| value(x) * value(y)).sum()
            };
            let expected = [&a, &b].map(|item| plain(item, i64::from) as u32);
            prop_assert_eq!(dot_pair(&query, [&a, &b]), expected);
            let signed = |byte: u8| i64::from(byte.cast_signed());
            let expected = [&a, &b].map(|item| plain(item, signed) as i32);
            prop_assert_eq!(signed_dot_pair(&query, [&a, &b]), expected);
        }

        #[test]
        fn hamming_equals_plain_counts(x in words(), y in words()) {
            let expected = x.iter().zip(&y).map(|(x, y)| (x ^ y).count_ones()).sum::<u32>();
            prop_assert_eq!(hamming(&x, &y), expected);
        }

        #[test]
        fn every_item_is_met_once(query in vec(any::<u32>(), 0..9), items in vec(any::<u32>(), 0..70)) {
            let mut found = Vec::new();
            dots::<Unsigned>(&query, &items, |sum, first| found.push((sum, first)));
            let expected: Vec<_> = items
                .chunks_exact(query.len() + 1)
                .map(|item| (dot::<Unsigned>(&query, &item[1..]), item[0]))
                .collect();
            // A gallery has whole items only.
            if items.len().is_multiple_of(query.len() + 1) {
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn all_bits_differ() {
        for len in 0..40 {
            let (x, y) = ([0; 40], [u32::MAX; 40]);
            assert_eq!(hamming(&x[..len], &y[..len]), 32 * len as u32);
        }
    }
}
