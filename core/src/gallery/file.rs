//! Gallery files: read where they lie, and written.

use serde::{Deserialize, Serialize};

use super::GalleryFileError;
use crate::chunks::chunks;
use crate::file::{self, FileKind};
use crate::{Embedding, F32, Names};

/// Embeddings as f32: the only code of version 1.
const CODE_F32: u8 = 0;

/// What a gallery file holds.
///
/// The items are numbered from 0. A name may stand for any number of items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GalleryContents<'a> {
    /// [`Model::fingerprint`](crate::Model::fingerprint) of the embeddings' model.
    pub fingerprint: u32,
    /// Values of one embedding.
    pub dimension: usize,
    /// The labels' names, joined by line feeds.
    pub names: &'a str,
    /// For each item, the index of its name.
    pub labels: &'a [u16],
    /// For each item, its embedding: normalised, `dimension` values.
    pub embeddings: &'a [f32],
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    code: u8,
    #[serde(with = "postcard::fixint::le")]
    fingerprint: u32,
    dimension: u32,
    items: u32,
    names: &'a str,
    /// The index of each item's name, in little-endian pairs of bytes.
    labels: &'a [u8],
}

impl<'a> GalleryContents<'a> {
    fn header(&self) -> Result<Header<'a>, GalleryFileError> {
        let dimension = u32::try_from(self.dimension).map_err(|_| GalleryFileError::Dimension)?;
        let items = u32::try_from(self.labels.len()).map_err(|_| GalleryFileError::Items)?;
        check(self.dimension, self.names, self.labels.iter().copied(), self.embeddings)?;
        Ok(Header {
            code: CODE_F32,
            fingerprint: self.fingerprint,
            dimension,
            items,
            names: self.names,
            labels: bytemuck::cast_slice(self.labels),
        })
    }

    fn body_len(&self) -> usize {
        size_of_val(self.embeddings)
    }
}

/// Checks that labels have names, and that there is one embedding for each.
fn check(
    dimension: usize,
    names: &str,
    labels: impl ExactSizeIterator<Item = u16>,
    embeddings: &[f32],
) -> Result<(), GalleryFileError> {
    if dimension == 0 {
        return Err(GalleryFileError::Dimension);
    }
    if labels.len().checked_mul(dimension) != Some(embeddings.len()) {
        return Err(GalleryFileError::Embeddings);
    }
    let names = Names::new(names).count();
    if labels.into_iter().any(|label| usize::from(label) >= names) {
        return Err(GalleryFileError::Labels);
    }
    for embedding in chunks(embeddings, dimension) {
        Embedding::<F32>::from_slice(embedding)?;
    }
    Ok(())
}

/// Bytes that [`write()`] takes.
///
/// # Errors
/// As [`write()`], without [`FileError::Buffer`](crate::FileError::Buffer).
pub fn file_len(contents: &GalleryContents<'_>) -> Result<usize, GalleryFileError> {
    Ok(file::len(FileKind::Gallery, &contents.header()?, contents.body_len())?)
}

/// Writes a gallery file to the start of `out` and gives its length.
///
/// # Errors
/// [`GalleryFileError`] for contents that do not fit each other;
/// [`FileError::Buffer`](crate::FileError::Buffer) if `out` is shorter than [`file_len`].
pub fn write(contents: &GalleryContents<'_>, out: &mut [u8]) -> Result<usize, GalleryFileError> {
    let mut header = contents.header()?;
    let len = file::write(FileKind::Gallery, &mut header, contents.body_len(), out, |_, body| {
        for (bytes, value) in body.as_chunks_mut::<4>().0.iter_mut().zip(contents.embeddings) {
            *bytes = value.to_le_bytes();
        }
    })?;
    Ok(len)
}

/// A gallery file, checked and used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct GalleryFile<'a> {
    fingerprint: u32,
    dimension: usize,
    names: &'a str,
    labels: &'a [[u8; 2]],
    embeddings: &'a [f32],
}

impl<'a> GalleryFile<'a> {
    /// Opens a gallery file that lies at an address that is a multiple of 4,
    /// as [`include_gallery!`](crate::include_gallery) ensures.
    ///
    /// # Errors
    /// [`GalleryFileError`] says what is wrong with the file.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, GalleryFileError> {
        let (header, body): (Header<'a>, _) = file::open(bytes, FileKind::Gallery)?;
        if header.code != CODE_F32 {
            return Err(GalleryFileError::Code { found: header.code });
        }
        let dimension =
            usize::try_from(header.dimension).map_err(|_| GalleryFileError::Dimension)?;
        let (labels, rest) = header.labels.as_chunks::<2>();
        if !rest.is_empty() || u32::try_from(labels.len()) != Ok(header.items) {
            return Err(GalleryFileError::Labels);
        }
        let embeddings = file::values(body)?;
        let label_values = labels.iter().map(|label| u16::from_le_bytes(*label));
        check(dimension, header.names, label_values, embeddings)?;
        let Header { fingerprint, names, .. } = header;
        Ok(GalleryFile { fingerprint, dimension, names, labels, embeddings })
    }

    /// The fingerprint of the model that made the embeddings.
    pub const fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// Values of one embedding.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no item.
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The name of an item's label, found by counting line feeds.
    pub fn label(&self, id: u32) -> Option<&'a str> {
        let label = self.labels.get(usize::try_from(id).ok()?)?;
        Names::new(self.names).nth(usize::from(u16::from_le_bytes(*label)))
    }

    /// The embeddings in the order of the ids, each of [`GalleryFile::dimension`] values.
    pub fn embeddings(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        chunks(self.embeddings, self.dimension)
    }
}
