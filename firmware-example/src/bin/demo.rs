//! The application on a board: one transcript and an exit status.
#![no_std]
#![no_main]

use lookalike_firmware::ram_flash::RamFlash;
use lookalike_firmware::{app, board, parameters};

static mut WORKSPACE: parameters::Workspace = parameters::WORKSPACE;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    let workspace = &raw mut WORKSPACE;
    // SAFETY: main runs once, and nothing else names the workspace.
    let workspace = unsafe { &mut *workspace };
    // SAFETY: taken once.
    let flash = unsafe { RamFlash::take() };
    board::exit(app::run(workspace, flash))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    semihosting::println!("{info}");
    board::exit(101)
}
