//! Chunks of a length that is known at run time only.
//!
//! `chunks_exact` refuses a length of 0 with a panic, which a compiler that
//! optimises for size does not always remove.

use core::iter;
use core::mem;

/// The whole chunks of a slice; none of length 0.
pub(crate) fn chunks<T>(slice: &[T], len: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = slice;
    iter::from_fn(move || {
        let (chunk, after) = rest.split_at_checked(len)?;
        rest = after;
        (len != 0).then_some(chunk)
    })
}

/// The whole chunks of a slice; none of length 0.
pub(crate) fn chunks_mut<T>(slice: &mut [T], len: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = slice;
    iter::from_fn(move || {
        let (chunk, after) = mem::take(&mut rest).split_at_mut_checked(len)?;
        rest = after;
        (len != 0).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_chunks() {
        let mut values = [1, 2, 3, 4, 5];
        assert!(chunks(&values, 2).eq([&[1, 2], &[3, 4]]));
        assert!(chunks_mut(&mut values, 5).eq([&[1, 2, 3, 4, 5]]));
        assert_eq!(chunks(&values, 6).count(), 0);
        assert_eq!(chunks(&values, 0).count(), 0);
        assert_eq!(chunks_mut(&mut values, 0).count(), 0);
    }
}
