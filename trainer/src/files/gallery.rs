//! Gallery files: the core's format, on disk.

use std::path::{Path, PathBuf};

use lookalike::gallery::{self, GalleryContents};
use lookalike::{F32, GalleryFile, GalleryFileError};

use super::{AlignedBytes, LoadedModel, ReadError, WriteError, write_atomically};
use crate::data::Dataset;
use crate::nn::embed;

/// Why a gallery file cannot be used or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryIoError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its content is not a gallery.
    #[error("{}: {error}; make the gallery again with `trainer gallery`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: GalleryFileError,
    },
    /// Another model made its embeddings.
    #[error(
        "{}: made by another model (fingerprint {found:08x}, this model has {expected:08x}); \
         make the gallery again with `trainer gallery`", path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The model's fingerprint.
        expected: u32,
        /// The gallery's.
        found: u32,
    },
}

/// A gallery file in memory, checked.
#[derive(Clone, Debug)]
pub struct LoadedGallery {
    bytes: AlignedBytes,
}

impl LoadedGallery {
    /// The gallery, viewed in place.
    pub fn view(&self) -> GalleryFile<'_> {
        GalleryFile::from_bytes(&self.bytes).expect("checked when it was read")
    }
}

/// Reads and checks a gallery file.
///
/// # Errors
/// When it cannot be read or is not a whole gallery of a known version.
pub fn load_gallery(path: &Path) -> Result<LoadedGallery, GalleryIoError> {
    let bytes = AlignedBytes::read(path)?;
    if let Err(error) = GalleryFile::<F32>::from_bytes(&bytes) {
        return Err(GalleryIoError::Content { path: path.to_owned(), error });
    }
    Ok(LoadedGallery { bytes })
}

/// [`load_gallery`], refusing one that `model` did not make.
///
/// # Errors
/// As [`load_gallery`], and [`GalleryIoError::OtherModel`].
pub fn load_gallery_of(path: &Path, model: &LoadedModel) -> Result<LoadedGallery, GalleryIoError> {
    let gallery = load_gallery(path)?;
    let (expected, found) = (model.fingerprint, gallery.view().fingerprint());
    if expected != found {
        return Err(GalleryIoError::OtherModel { path: path.to_owned(), expected, found });
    }
    Ok(gallery)
}

/// Embeds all images of `data` and writes them as a gallery, atomically. Runs on
/// rayon's current pool.
///
/// # Errors
/// When the file cannot be written; what was there before stays.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn save_gallery(
    path: &Path,
    model: &LoadedModel,
    data: &Dataset,
) -> Result<(), GalleryIoError> {
    let embeddings = embed(&model.parameters, data);
    let contents = GalleryContents::<F32> {
        fingerprint: model.fingerprint,
        dimension: embeddings.ncols(),
        names: &data.class_names.join("\n"),
        labels: &data.labels,
        embeddings: embeddings.as_slice().expect("standard layout"),
    };
    let content = |error| GalleryIoError::Content { path: path.to_owned(), error };
    let mut bytes = vec![0; gallery::file_len(&contents).map_err(content)?];
    gallery::write(&contents, &mut bytes).map_err(content)?;
    Ok(write_atomically(path, |writer| writer.write_all(&bytes))?)
}
