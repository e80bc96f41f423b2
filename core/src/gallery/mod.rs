//! Galleries: labelled embeddings, in flash and in RAM, searched as one.

mod array;
mod error;
mod file;
mod items;
mod slice;

pub use array::Gallery;
pub use error::{GalleryError, GalleryFileError};
pub use file::{GalleryContents, GalleryFile, file_len, write};
pub use items::Slot;
pub use slice::SliceGallery;

use crate::{Code, F32};

/// Most bytes of an enrolled item's label.
pub const MAX_LABEL: usize = 32;

/// One item of a gallery of embeddings in code `C`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'g, C: Code = F32> {
    /// The id that [`Gallery::search`] reports.
    pub id: u32,
    /// What the item is called.
    pub label: &'g str,
    /// The words of its embedding: for [`F32`] its values.
    pub embedding: &'g [C::Word],
}
