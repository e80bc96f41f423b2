//! Targets of fuzzing: each module's `run` does something with any bytes and
//! panics when what must hold does not.
//!
//! The targets of libFuzzer in `libfuzzer/` call them for minutes or days;
//! `tests/replay.rs` calls them with the files in `corpus/`, which are seeds
//! and what fuzzing has found.

pub mod c_calls;
pub mod checkpoint;
/// The emulated NOR flash of the store's own tests.
#[allow(
    missing_docs,
    dead_code,
    unused_extern_crates,
    clippy::should_implement_trait,
    reason = "a file of the core's unit tests"
)]
#[path = "../../core/src/store/tests/flash.rs"]
pub mod flash;
pub mod gallery;
pub mod gallery_operations;
pub mod http;
pub mod idx;
pub mod model;
pub mod options;
pub mod picture;
pub mod store_image;
pub mod store_operations;
pub mod weights;

use std::fs;
use std::path::Path;

use lookalike_trainer::files::AlignedBytes;

/// A target: its name, which is that of its folder in `corpus/`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, those first that read what others have made.
pub const TARGETS: [Target; 12] = [
    ("model", model::run),
    ("gallery", gallery::run),
    ("http", http::run),
    ("picture", picture::run),
    ("c_calls", c_calls::run),
    ("checkpoint", checkpoint::run),
    ("weights", weights::run),
    ("idx", idx::run),
    ("store_image", store_image::run),
    ("store_operations", store_operations::run),
    ("gallery_operations", gallery_operations::run),
    ("options", options::run),
];

/// An f32 model of 28x28 images and 64 dimensions, and a gallery of it.
pub static F32_MODEL: &[u8] =
    lookalike::include_model!("../../c-interface/example/assets/digits.model");
/// Fifty items of [`F32_MODEL`].
pub static F32_GALLERY: &[u8] =
    lookalike::include_gallery!("../../c-interface/example/assets/digits.gallery");
/// A small int8 model of 22x30 images in two channels.
pub static INT8_MODEL: &[u8] =
    lookalike::include_model!("../../core/tests/fixtures/v1.int8.compact.model");
/// Twelve images for [`F32_MODEL`].
pub static IMAGES: &[u8] = include_bytes!("../../c-interface/example/assets/digits.images");

/// The bytes, and the same with a CRC-32 in the last four that fits: without it
/// random changes would hardly ever get past the checksum.
fn with_checksum(data: &[u8]) -> [AlignedBytes; 2] {
    let raw = AlignedBytes::from(data);
    let mut summed = raw.clone();
    if let Some((content, sum)) = summed.split_last_chunk_mut::<4>() {
        *sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(content).to_le_bytes();
    }
    [raw, summed]
}

/// Calls `read` with the path of a file of these bytes.
fn as_file<R>(data: &[u8], read: impl FnOnce(&Path) -> R) -> R {
    thread_local! {
        static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().expect("a file");
    }
    FILE.with(|file| {
        fs::write(file.path(), data).expect("a file can be written");
        read(file.path())
    })
}
