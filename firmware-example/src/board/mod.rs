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

/// Ends the program with a status: 0 is success.
pub fn exit(status: i32) -> ! {
    semihosting::process::exit(status)
}
