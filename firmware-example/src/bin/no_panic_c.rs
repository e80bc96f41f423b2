//! Names every function of the C interface, so that all are linked.
//! `scripts/firmware.sh` looks into the linked file for code that panics; the
//! program itself need not run. The panic handler is the C interface's own.
#![no_std]
#![no_main]

use core::hint::black_box;

use lookalike_c::*;

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    // With this feature the check must find a panic.
    if cfg!(feature = "control") {
        black_box([0; 9][black_box(7usize)]);
    }
    black_box([
        lookalike_status_message as *const (),
        lookalike_model_open as *const (),
        lookalike_model_dimensions as *const (),
        lookalike_model_embed as *const (),
        lookalike_model_self_test as *const (),
        lookalike_model_acceptance as *const (),
        lookalike_gallery_open as *const (),
        lookalike_gallery_len as *const (),
        lookalike_gallery_capacity as *const (),
        lookalike_gallery_enrol as *const (),
        lookalike_gallery_remove as *const (),
        lookalike_gallery_label as *const (),
        lookalike_gallery_search as *const (),
    ]);
    loop {
        core::hint::spin_loop();
    }
}
