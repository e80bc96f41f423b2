//! What can go wrong with a gallery.

use core::fmt;

use crate::{EmbeddingError, FileError};

/// Why a gallery file cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum GalleryFileError {
    /// The bytes are not a readable file, or do not fit the buffer.
    File(FileError),
    /// The embeddings are coded otherwise than asked for.
    Code {
        /// The file's code; `docs/model-format.md` lists them.
        found: u8,
    },
    /// Embeddings have no dimension, or more than 2^32 - 1.
    Dimension,
    /// There are more than 2^32 - 1 items.
    Items,
    /// The number of words is not the number of items times the words of one.
    Embeddings,
    /// An embedding is not one of its code: for f32, a value is not finite or a
    /// norm is above 1.
    Embedding(EmbeddingError),
    /// There is not one label for each item, or a label without a name.
    Labels,
}

impl fmt::Display for GalleryFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GalleryFileError::File(error) => error.fmt(f),
            GalleryFileError::Code { found } => {
                write!(f, "the gallery's embeddings have code {found}, which was not asked for")
            }
            GalleryFileError::Dimension => {
                f.write_str("the gallery's embeddings have an impossible dimension")
            }
            GalleryFileError::Items => f.write_str("the gallery has too many items"),
            GalleryFileError::Embeddings => {
                f.write_str("the gallery does not hold one embedding for each item")
            }
            GalleryFileError::Embedding(error) => error.fmt(f),
            GalleryFileError::Labels => {
                f.write_str("the gallery does not hold one named label for each item")
            }
        }
    }
}

impl core::error::Error for GalleryFileError {}

impl From<FileError> for GalleryFileError {
    fn from(error: FileError) -> Self {
        GalleryFileError::File(error)
    }
}

impl From<EmbeddingError> for GalleryFileError {
    fn from(error: EmbeddingError) -> Self {
        GalleryFileError::Embedding(error)
    }
}

/// Why a gallery cannot be made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum GalleryError {
    /// The gallery file was made with another model.
    OtherModel {
        /// The model's fingerprint.
        expected: u32,
        /// The fingerprint in the gallery file.
        found: u32,
    },
    /// The embeddings of the model or of the gallery file, or an embedding given,
    /// have another length than the gallery's.
    Dimension {
        /// Words of the gallery's embeddings: for f32 their dimension.
        expected: usize,
        /// Words given.
        found: usize,
    },
    /// No room for another item.
    Full,
    /// The label is longer than [`MAX_LABEL`](super::MAX_LABEL) bytes.
    Label,
    /// Every id has been used.
    Ids,
    /// The item lies in read-only memory.
    ReadOnly,
    /// There is no item with this id.
    UnknownId,
    /// There is already an item with this id.
    DuplicateId,
}

impl fmt::Display for GalleryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GalleryError::OtherModel { expected, found } => write!(
                f,
                "the gallery was made with another model: fingerprint {found:08x} instead of \
                 {expected:08x}"
            ),
            GalleryError::Dimension { expected, found } => {
                write!(f, "the gallery holds embeddings of {expected} words, not {found}")
            }
            GalleryError::Full => f.write_str("the gallery is full"),
            GalleryError::Label => f.write_str("a label can have at most 32 bytes"),
            GalleryError::Ids => f.write_str("the gallery has used up its ids"),
            GalleryError::ReadOnly => f.write_str("the item lies in read-only memory"),
            GalleryError::UnknownId => f.write_str("there is no item with this id"),
            GalleryError::DuplicateId => f.write_str("there is already an item with this id"),
        }
    }
}

impl core::error::Error for GalleryError {}
