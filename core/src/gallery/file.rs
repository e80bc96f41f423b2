//! Gallery files: read where they lie, and written.

use serde::{Deserialize, Serialize};

use super::GalleryFileError;
use crate::chunks::chunks;
use crate::file::{self, FileKind};
use crate::{Code, EmbeddingError, F32, Names};

/// What a gallery file holds: embeddings in code `C`.
///
/// The items are numbered from 0. A name may stand for any number of items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GalleryContents<'a, C: Code = F32> {
    /// [`Model::fingerprint`](crate::Model::fingerprint) of the embeddings' model.
    pub fingerprint: u32,
    /// Values of one embedding, of which the code makes words.
    pub dimension: usize,
    /// The labels' names, joined by line feeds.
    pub names: &'a str,
    /// For each item, the index of its name.
    pub labels: &'a [u16],
    /// For each item, the words of its embedding: for [`F32`] `dimension`
    /// values, normalised.
    pub embeddings: &'a [C::Word],
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

impl<'a, C: Code> GalleryContents<'a, C> {
    fn header(&self) -> Result<Header<'a>, GalleryFileError> {
        let dimension = u32::try_from(self.dimension).map_err(|_| GalleryFileError::Dimension)?;
        let items = u32::try_from(self.labels.len()).map_err(|_| GalleryFileError::Items)?;
        let labels = self.labels.iter().copied();
        check::<C>(self.dimension, self.names, labels, self.embeddings)?;
        Ok(Header {
            code: C::NUMBER,
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
fn check<C: Code>(
    dimension: usize,
    names: &str,
    labels: impl ExactSizeIterator<Item = u16>,
    embeddings: &[C::Word],
) -> Result<(), GalleryFileError> {
    if dimension == 0 {
        return Err(GalleryFileError::Dimension);
    }
    let words = C::words(dimension);
    if labels.len().checked_mul(words) != Some(embeddings.len()) {
        return Err(GalleryFileError::Embeddings);
    }
    let names = Names::new(names).count();
    if labels.into_iter().any(|label| usize::from(label) >= names) {
        return Err(GalleryFileError::Labels);
    }
    for embedding in chunks(embeddings, words) {
        C::check(embedding)?;
        if !C::is_padded(embedding, dimension) {
            return Err(EmbeddingError::Code.into());
        }
    }
    Ok(())
}

/// Bytes that [`write()`] takes.
///
/// # Errors
/// As [`write()`], without [`FileError::Buffer`](crate::FileError::Buffer).
pub fn file_len<C: Code>(contents: &GalleryContents<'_, C>) -> Result<usize, GalleryFileError> {
    Ok(file::len(FileKind::Gallery, &contents.header()?, contents.body_len())?)
}

/// Writes a gallery file to the start of `out` and gives its length.
///
/// # Errors
/// [`GalleryFileError`] for contents that do not fit each other;
/// [`FileError::Buffer`](crate::FileError::Buffer) if `out` is shorter than [`file_len`].
pub fn write<C: Code>(
    contents: &GalleryContents<'_, C>,
    out: &mut [u8],
) -> Result<usize, GalleryFileError> {
    let mut header = contents.header()?;
    let len = file::write(FileKind::Gallery, &mut header, contents.body_len(), out, |_, body| {
        let words = bytemuck::cast_slice::<C::Word, u8>(contents.embeddings);
        for (byte, value) in body.iter_mut().zip(words) {
            *byte = *value;
        }
        Ok(())
    })?;
    Ok(len)
}

/// A gallery file of embeddings in code `C`, checked and used where it lies.
#[derive(Clone, Copy, Debug)]
pub struct GalleryFile<'a, C: Code = F32> {
    fingerprint: u32,
    dimension: usize,
    names: &'a str,
    labels: &'a [[u8; 2]],
    embeddings: &'a [C::Word],
}

impl<'a, C: Code> GalleryFile<'a, C> {
    /// Opens a gallery file that lies at an address that is a multiple of 4,
    /// as [`include_gallery!`](crate::include_gallery) ensures.
    ///
    /// # Errors
    /// [`GalleryFileError`] says what is wrong with the file.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, GalleryFileError> {
        let (header, body): (Header<'a>, _) = file::open(bytes, FileKind::Gallery)?;
        if header.code != C::NUMBER {
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
        check::<C>(dimension, header.names, label_values, embeddings)?;
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

    /// Words of one embedding: for [`F32`] its values.
    pub fn words(&self) -> usize {
        C::words(self.dimension)
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

    /// The embeddings in the order of the ids, each of [`GalleryFile::words`]
    /// words: for [`F32`] of [`GalleryFile::dimension`] values.
    pub fn embeddings(&self) -> impl Iterator<Item = &'a [C::Word]> + use<'a, C> {
        chunks(self.embeddings, self.words())
    }

    /// The words of all embeddings.
    pub(super) const fn all_words(&self) -> &'a [C::Word] {
        self.embeddings
    }
}
