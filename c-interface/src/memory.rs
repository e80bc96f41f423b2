//! The caller's memory: raw pointers with lengths, checked, then slices.

use core::ffi::c_char;

use crate::Status;

/// Memory for values of a type that every bit pattern suits, except where
/// [`Span::fill`] comes first. Neither null, nor misaligned, nor too long;
/// whether anything is there is the caller's promise.
pub(crate) struct Span<T> {
    start: *mut T,
    len: usize,
}

impl<T> Clone for Span<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Span<T> {}

impl<T> Span<T> {
    /// Checks pointer and number of values.
    pub fn new(start: *const T, len: usize) -> Result<Span<T>, Status> {
        if start.is_null() {
            return Err(Status::Null);
        }
        if !start.is_aligned() {
            return Err(Status::Misaligned);
        }
        let bytes = len.checked_mul(size_of::<T>()).ok_or(Status::Length)?;
        if bytes > isize::MAX as usize || start.addr().checked_add(bytes).is_none() {
            return Err(Status::Length);
        }
        Ok(Span { start: start.cast_mut(), len })
    }

    /// As [`Span::new`]; a null pointer stands for no values.
    pub fn optional(start: *const T, len: usize) -> Result<Span<T>, Status> {
        match (start.is_null(), len) {
            (true, 0) => Ok(Span { start: core::ptr::dangling_mut(), len: 0 }),
            _ => Span::new(start, len),
        }
    }

    pub const fn len(self) -> usize {
        self.len
    }

    /// Refuses memory that this span shares with another.
    pub fn disjoint<U>(self, other: Span<U>) -> Result<(), Status> {
        let range = self.start.addr()..self.start.addr() + self.len * size_of::<T>();
        let other = other.start.addr()..other.start.addr() + other.len * size_of::<U>();
        if range.start.max(other.start) < range.end.min(other.end) {
            return Err(Status::Overlap);
        }
        Ok(())
    }

    /// The first `len` values, or all if there are fewer, and the rest.
    pub fn split_at(self, len: usize) -> (Span<T>, Span<T>) {
        let len = len.min(self.len);
        // Within the memory or at its end, so wrapping never happens.
        let rest = Span { start: self.start.wrapping_add(len), len: self.len - len };
        (Span { start: self.start, len }, rest)
    }

    /// The same memory for values of another type: as many whole ones as it holds.
    pub fn cast<U>(self) -> Span<U> {
        const { assert!(align_of::<U>() <= align_of::<T>() && size_of::<U>() != 0) };
        Span { start: self.start.cast(), len: self.len * size_of::<T>() / size_of::<U>() }
    }

    /// # Safety
    /// The memory holds `len` values of `T` that nobody writes during `'a`.
    pub unsafe fn slice<'a>(self) -> &'a [T] {
        // SAFETY: checked by `new`, and promised by the caller.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// # Safety
    /// The memory holds `len` values of `T` that nobody else touches during `'a`.
    pub unsafe fn slice_mut<'a>(self) -> &'a mut [T] {
        // SAFETY: checked by `new`, and promised by the caller.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Writes `value` everywhere.
    ///
    /// # Safety
    /// As [`Span::slice_mut`], but the memory may hold anything.
    pub unsafe fn fill<'a>(self, value: &T) -> &'a mut [T]
    where
        T: Clone,
    {
        for i in 0..self.len {
            // SAFETY: within the memory that the caller promises; nothing is dropped.
            unsafe { self.start.add(i).write(value.clone()) };
        }
        // SAFETY: now every value is one of `T`.
        unsafe { self.slice_mut() }
    }
}

/// Where a function puts a result.
pub(crate) struct Output<T>(Span<T>);

impl<T> Output<T> {
    /// Checks the pointer.
    pub fn new(place: *mut T) -> Result<Output<T>, Status> {
        Ok(Output(Span::new(place, 1)?))
    }

    /// # Safety
    /// The place can be written, and nobody else touches it.
    pub unsafe fn write(self, value: T) {
        // SAFETY: checked by `new`, and promised by the caller.
        unsafe { self.0.start.write(value) }
    }
}

/// Copies a C string of fewer than `N` bytes.
///
/// # Safety
/// There are bytes up to a 0, or at least `N` of them.
pub(crate) unsafe fn copy_text<const N: usize>(start: *const c_char) -> Result<Text<N>, Status> {
    let start = Span::new(start.cast::<u8>(), 1)?.start;
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: the caller promises bytes up to a 0, which ends the loop.
        *byte = unsafe { start.add(i).read() };
        if *byte == 0 {
            return Ok(Text { bytes, len: i });
        }
    }
    Err(Status::Label)
}

/// A copied C string, without its 0.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub fn as_str(&self) -> Result<&str, Status> {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).map_err(|_| Status::Label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_slice_can_be_is_refused() {
        let words = [0u32; 4];
        let start = words.as_ptr();
        let status = |start, len| Span::<u32>::new(start, len).err();
        assert_eq!(status(start, 4), None);
        assert_eq!(status(core::ptr::null(), 0), Some(Status::Null));
        assert_eq!(status(start.wrapping_byte_add(2), 1), Some(Status::Misaligned));
        assert_eq!(status(start, usize::MAX / 4 + 2), Some(Status::Length));
        assert_eq!(status(start, usize::MAX / 8 + 1), Some(Status::Length));
        let end = core::ptr::without_provenance(usize::MAX - 3);
        assert_eq!(status(end, 1), Some(Status::Length));
        assert_eq!(Span::<u32>::optional(core::ptr::null(), 0).map(Span::len), Ok(0));
        assert_eq!(Span::<u32>::optional(core::ptr::null(), 1).err(), Some(Status::Null));
    }

    #[test]
    fn overlap_is_told_to_the_byte() {
        let bytes = [0u8; 16];
        let span = |from: usize, len| Span::new(bytes[from..].as_ptr(), len).unwrap();
        for (other_from, other_len, overlaps) in
            [(0, 4, false), (0, 5, true), (8, 1, false), (7, 1, true), (5, 0, false), (0, 16, true)]
        {
            let result = span(4, 4).disjoint(span(other_from, other_len));
            assert_eq!(result.is_err(), overlaps, "{other_from} {other_len}");
            let reverse = span(other_from, other_len).disjoint(span(4, 4));
            assert_eq!(reverse, result);
        }
    }

    #[test]
    fn parts_cover_the_whole() {
        let mut words = [1u32, 2, 3, 4, 5];
        let (head, tail) = Span::new(words.as_mut_ptr(), 5).unwrap().split_at(3);
        // SAFETY: both parts lie in `words`, which is not used meanwhile.
        let (head, tail) = unsafe { (head.cast::<u8>().slice(), tail.fill(&9)) };
        assert_eq!((head.len(), tail.len()), (12, 2));
        assert_eq!(words, [1, 2, 3, 9, 9]);
        let (all, none) = Span::new(words.as_ptr(), 5).unwrap().split_at(9);
        assert_eq!((all.len(), none.len()), (5, 0));
        assert_eq!(all.cast::<[u32; 2]>().len(), 2);
    }
}
