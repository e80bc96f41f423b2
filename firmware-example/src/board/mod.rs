//! What the application needs of a board: its name, a counter, a way out.

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "riscv32")]
mod riscv;

#[cfg(target_arch = "arm")]
pub use self::cortex_m::{Counter, NAME, known_loop, restart};
#[cfg(target_arch = "riscv32")]
pub use self::riscv::{Counter, NAME, known_loop, restart};

/// Test images that are compared with the desktop's answers: all, but fewer
/// where the reference network runs without an FPU.
pub const QUERIES: usize = if cfg!(feature = "virt") { 20 } else { 100 };

unsafe extern "C" {
    /// Where RAM's part for variables begins and ends, as the linker lays them out.
    static __sdata: u8;
    static __euninit: u8;
}

/// Bytes of RAM that variables take.
pub fn static_ram() -> usize {
    (&raw const __euninit as usize) - (&raw const __sdata as usize)
}

/// Memory beyond what a microcontroller has, to stand for a large external
/// flash; `None` where the board has none.
///
/// # Safety
/// At most once in a run: it has one owner.
pub unsafe fn external_memory() -> Option<&'static mut [u32]> {
    const BYTES: usize = 4 << 20;
    // The MPS2's PSRAM, and what lies behind the part of RAM that is used.
    let address: usize = if cfg!(feature = "mps2-an386") {
        0x2100_0000
    } else if cfg!(feature = "virt") {
        0x8100_0000
    } else {
        return None;
    };
    // SAFETY: the emulated board has RAM there, which the linker's memory map
    // leaves alone; any bits are words; the caller promises that there is no
    // other reference.
    Some(unsafe { core::slice::from_raw_parts_mut(address as *mut u32, BYTES / 4) })
}

/// Ends the program with a status: 0 is success.
pub fn exit(status: i32) -> ! {
    semihosting::process::exit(status)
}
