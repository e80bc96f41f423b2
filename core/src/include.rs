//! Files in flash, at an address that suits their values.

/// Storage for bytes that starts at a multiple of 16; made by [`include_model!`]
/// and [`include_gallery!`].
///
/// [`include_model!`]: crate::include_model
/// [`include_gallery!`]: crate::include_gallery
#[doc(hidden)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// Includes a model file as an aligned `&'static [u8]`, so that its weights
/// are used where they lie. The path is relative to the calling file, as for
/// [`include_bytes!`].
///
/// ```
/// static MODEL: &[u8] =
///     lookalike::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.model"));
/// assert!(MODEL.as_ptr().cast::<u128>().is_aligned());
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr $(,)?) => {{
        const ALIGNED: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        const BYTES: &'static [u8] = &ALIGNED.0;
        BYTES
    }};
}

/// Includes a gallery file as an aligned `&'static [u8]`; see [`include_model!`].
#[macro_export]
macro_rules! include_gallery {
    ($path:expr $(,)?) => {
        $crate::include_model!($path)
    };
}
