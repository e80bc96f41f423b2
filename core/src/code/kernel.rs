//! The inner loops of a search.

/// Sum of products of bytes of corresponding words, over the length of the
/// shorter, modulo 2^32.
#[inline(always)]
pub(super) fn dot(x: &[u32], y: &[u32]) -> u32 {
    let (x, y) = (bytemuck::cast_slice::<u32, u8>(x), bytemuck::cast_slice::<u32, u8>(y));
    let products = x.iter().zip(y).map(|(x, y)| u32::from(*x) * u32::from(*y));
    products.fold(0, u32::wrapping_add)
}

/// [`dot`] of the query and of each item's words but the first, which is handed
/// over with it.
#[inline(always)]
pub(super) fn dots(query: &[u32], items: &[u32], mut found: impl FnMut(u32, u32)) {
    for item in crate::chunks::chunks(items, query.len().saturating_add(1)) {
        if let Some((first, item)) = item.split_first() {
            found(dot(query, item), *first);
        }
    }
}

/// [`dot`] of signed bytes.
#[inline(always)]
pub(super) fn signed_dot(x: &[u32], y: &[u32]) -> i32 {
    let (x, y) = (bytemuck::cast_slice::<u32, i8>(x), bytemuck::cast_slice::<u32, i8>(y));
    let products = x.iter().zip(y).map(|(x, y)| i32::from(*x) * i32::from(*y));
    products.fold(0, i32::wrapping_add)
}

/// Number of bits that differ in corresponding words, over the length of the
/// shorter.
#[inline(always)]
pub(super) fn hamming(x: &[u32], y: &[u32]) -> u32 {
    x.iter().zip(y).map(|(x, y)| (x ^ y).count_ones()).fold(0, u32::wrapping_add)
}
