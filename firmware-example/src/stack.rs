//! How deep a call goes: the free stack is painted before it, and looked
//! through after it.

use core::arch::asm;
use core::sync::atomic::{AtomicUsize, Ordering};

const PAINT: u32 = 0xDEAD_BEA7;

unsafe extern "C" {
    /// The stack's lower end, which the linker script defines.
    static _stack_end: u32;
    /// Its upper end, where it begins.
    static _stack_start: u32;
}

/// The lowest address that the stack has reached since [`begin`].
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Watches the whole stack from now on.
#[inline(never)]
pub fn begin() {
    paint(stack_pointer().wrapping_byte_sub(UNPAINTED));
}

/// Bytes of stack that the program has used since [`begin`].
#[inline(never)]
pub fn deepest() -> usize {
    note();
    (&raw const _stack_start as usize).saturating_sub(LOWEST.load(Ordering::Relaxed))
}

/// Remembers how deep the stack has been before the paint is renewed.
#[inline(never)]
fn note() {
    let lowest = LOWEST.load(Ordering::Relaxed).min(lowest_used() as usize);
    LOWEST.store(lowest, Ordering::Relaxed);
}

fn stack_pointer() -> *mut u32 {
    let pointer;
    // SAFETY: copies a register.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "riscv32")]
        asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

/// Bytes below the caller's frame that are not painted: the painter's own
/// frame. A call that uses less counts as this much.
const UNPAINTED: usize = 32;

/// Runs `call` and gives its result and the bytes of stack that it used.
#[inline(never)]
pub fn measure<R>(call: impl FnOnce() -> R) -> (R, usize) {
    note();
    let top = stack_pointer();
    paint(top.wrapping_byte_sub(UNPAINTED));
    let result = run(call);
    (result, top as usize - lowest_used() as usize)
}

/// A frame of its own, so that all of the call's stack lies below the top.
#[inline(never)]
fn run<R>(call: impl FnOnce() -> R) -> R {
    call()
}

#[inline(never)]
fn paint(end: *mut u32) {
    let mut word = (&raw const _stack_end).cast_mut();
    while word < end {
        // SAFETY: nothing lives between the stack's end and this function's
        // frame, and no interrupt is enabled.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

#[inline(never)]
fn lowest_used() -> *const u32 {
    let mut word = &raw const _stack_end;
    // SAFETY: the stack is readable, and the paint ends below the caller's frame.
    while unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    word
}
