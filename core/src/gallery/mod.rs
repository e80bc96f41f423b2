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

/// Most bytes of an enrolled item's label.
pub const MAX_LABEL: usize = 32;

/// One item of a gallery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'g> {
    /// The id that [`Gallery::search`] reports.
    pub id: u32,
    /// What the item is called.
    pub label: &'g str,
    /// Its embedding.
    pub embedding: &'g [f32],
}
