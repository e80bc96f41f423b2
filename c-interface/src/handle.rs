//! Handles: memory in which C keeps a value of Rust.

use crate::Status;
use crate::memory::{Output, Span};

/// Memory that C provides for a [`Handle::State`]; [`fits`] must hold.
pub(crate) trait Handle {
    /// What the memory holds after [`open`].
    type State: 'static;

    /// Tells the handles of one type from those of another.
    const KIND: usize;
}

#[repr(C)]
struct Tagged<S> {
    /// See [`tag`].
    tag: usize,
    state: S,
}

/// Marks an open handle. It depends on the address, so that neither memory of
/// zeros, nor what was on the stack before, nor a copy passes as open.
fn tag<H: Handle>(handle: *const H) -> usize {
    H::KIND ^ handle.addr()
}

/// Whether the handle's memory suffices.
pub(crate) const fn fits<H: Handle>() -> bool {
    size_of::<Tagged<H::State>>() <= size_of::<H>()
        && align_of::<Tagged<H::State>>() <= align_of::<H>()
}

/// Opens a handle with the state that `make` gives. If it gives none, the
/// handle is not open, whatever it was before.
///
/// # Safety
/// `handle` is null, misaligned, or memory for an `H` that nobody else touches
/// meanwhile.
pub(crate) unsafe fn open<H: Handle>(
    handle: *mut H,
    make: impl FnOnce() -> Result<H::State, Status>,
) -> Result<(), Status> {
    let memory = Span::new(handle, 1)?;
    // SAFETY: the caller promises the memory.
    unsafe { memory.cast::<usize>().fill(&0) };
    let state = make()?;
    let tag = tag(handle);
    // SAFETY: the same memory, and `fits`.
    unsafe { Output::new(handle.cast::<Tagged<H::State>>())?.write(Tagged { tag, state }) };
    Ok(())
}

/// # Safety
/// `handle` is null, misaligned, or memory for an `H` that nobody writes during
/// `'h`. That it was opened is checked.
pub(crate) unsafe fn get<'h, H: Handle>(handle: *const H) -> Result<&'h H::State, Status> {
    // SAFETY: the caller's promise.
    unsafe { check(handle)? };
    // SAFETY: the tag says that `open` wrote the state here.
    Ok(unsafe { &(*handle.cast::<Tagged<H::State>>()).state })
}

/// # Safety
/// `handle` is null, misaligned, or memory for an `H` that nobody else touches
/// during `'h`. That it was opened is checked.
pub(crate) unsafe fn get_mut<'h, H: Handle>(handle: *mut H) -> Result<&'h mut H::State, Status> {
    // SAFETY: the caller's promise.
    unsafe { check(handle)? };
    // SAFETY: the tag says that `open` wrote the state here.
    Ok(unsafe { &mut (*handle.cast::<Tagged<H::State>>()).state })
}

/// # Safety
/// As [`get`].
unsafe fn check<H: Handle>(handle: *const H) -> Result<(), Status> {
    let (found, _) = Span::new(handle, 1)?.cast::<usize>().split_at(1);
    // SAFETY: the caller promises the memory; any bits are a number.
    if unsafe { found.slice() } != [tag(handle)] {
        return Err(Status::Handle);
    }
    Ok(())
}
