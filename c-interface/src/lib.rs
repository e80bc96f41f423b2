//! The C interface of [`lookalike`]: a static library and the header
//! `include/lookalike.h`, which documents it for C.
//!
//! All functions take raw pointers, check them in `memory` and `handle`
//! and go on with safe code. What a pointer's target must be cannot be checked:
//! memory of the given length that nobody else writes during the call. The
//! header states that contract once; it is the safety section of every
//! function here.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_op_in_unsafe_fn)]
#![allow(clippy::missing_safety_doc, reason = "the same for all functions: see above")]

mod gallery;
mod handle;
mod memory;
mod model;
mod status;

pub use gallery::{
    Gallery, LABEL_BYTES, Match, SLOT_WORDS, lookalike_gallery_capacity, lookalike_gallery_enrol,
    lookalike_gallery_label, lookalike_gallery_len, lookalike_gallery_open,
    lookalike_gallery_remove, lookalike_gallery_search,
};
pub use model::{
    Acceptance, Dimensions, Model, Rule, lookalike_model_acceptance, lookalike_model_dimensions,
    lookalike_model_embed, lookalike_model_open, lookalike_model_self_test,
};
pub use status::{Status, lookalike_status_message};

/// No public function of the library panics: nothing is left to do here.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
