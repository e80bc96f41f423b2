//! Gallery files: the core's format, on disk.

use std::path::{Path, PathBuf};

use lookalike::gallery::{self, GalleryContents, SliceGallery};
use lookalike::model::Encoding;
use lookalike::{
    Binary, Code, Embedding, F32, GalleryError, GalleryFile, GalleryFileError, Int8, Match, Model,
    ModelError, Projected, TwoStage, U8,
};
use ndarray::ArrayView2;

use super::{
    AlignedBytes, CodeKind, CodeKindError, CodedEmbeddings, LoadedModel, ReadError, Words,
    WriteError, write_atomically,
};
use crate::data::Dataset;

/// How gallery files start.
pub(super) const MAGIC: &[u8] = b"LKGALRY\0";

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
    /// The model does not make such codes.
    #[error(transparent)]
    Code(#[from] CodeKindError),
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

/// A gallery file in memory, checked; of any code.
#[derive(Clone, Debug)]
pub struct LoadedGallery {
    bytes: AlignedBytes,
    code: CodeKind,
    fingerprint: u32,
    dimension: usize,
    labels: Vec<String>,
}

impl LoadedGallery {
    /// A gallery of all images of `data`, in no file. Runs on rayon's current
    /// pool.
    ///
    /// # Errors
    /// [`SearchError::Code`] when the model does not make such codes,
    /// [`SearchError::File`] when there are too many items or names for a gallery.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn of(
        model: &LoadedModel,
        data: &Dataset,
        code: CodeKind,
    ) -> Result<LoadedGallery, SearchError> {
        Ok(from_bytes(encode_in(model, data, &model.encode(data, code)?)?)?)
    }

    /// The code of its embeddings.
    pub fn code(&self) -> CodeKind {
        self.code
    }

    /// The fingerprint of the model that made the embeddings.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// Values of one embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The label of each item.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The whole file.
    pub fn file(&self) -> &[u8] {
        &self.bytes
    }

    /// The gallery, viewed in place.
    ///
    /// # Errors
    /// [`GalleryFileError::Code`] if its embeddings are not in code `C`.
    pub fn view<C: Code>(&self) -> Result<GalleryFile<'_, C>, GalleryFileError> {
        GalleryFile::from_bytes(&self.bytes)
    }

    /// For each image of `queries`, as the model codes it for this gallery, the
    /// `k` nearest items: the search that a device does.
    ///
    /// # Errors
    /// [`SearchError`] if the gallery is not the model's.
    ///
    /// # Panics
    /// When the images are not of the network's input shape.
    pub fn search(
        &self,
        model: &LoadedModel,
        queries: &Dataset,
        k: usize,
    ) -> Result<Vec<Vec<Match>>, SearchError> {
        let words = model.encode(queries, self.code)?.words;
        match (&words, self.code) {
            (Words::F32(words), _) => self.search_coded::<F32>(model, words.view(), k),
            (Words::U32(words), CodeKind::Projected) => {
                self.search_coded::<Projected>(model, words.view(), k)
            }
            (Words::U32(words), CodeKind::Binary) => {
                self.search_coded::<Binary>(model, words.view(), k)
            }
            (Words::U32(words), CodeKind::TwoStage) => {
                self.search_coded::<TwoStage>(model, words.view(), k)
            }
            (Words::U32(words), _) => self.search_coded::<U8>(model, words.view(), k),
        }
    }

    fn search_coded<C: Code>(
        &self,
        model: &LoadedModel,
        queries: ArrayView2<'_, C::Word>,
        k: usize,
    ) -> Result<Vec<Vec<Match>>, SearchError> {
        if model.float().is_some() {
            self.search_with::<F32, C>(&Model::from_bytes(&model.file)?, queries, k)
        } else {
            self.search_with::<Int8, C>(&Model::from_bytes(&model.file)?, queries, k)
        }
    }

    fn search_with<E: Encoding, C: Code>(
        &self,
        model: &Model<'_, E>,
        queries: ArrayView2<'_, C::Word>,
        k: usize,
    ) -> Result<Vec<Vec<Match>>, SearchError> {
        let gallery = SliceGallery::<C>::new(model, Some(self.view()?), &mut [], &mut [])?;
        let mut matches = vec![Match { id: 0, distance: 0.0 }; k];
        let nearest = queries.outer_iter().map(|words| {
            let words = words.to_slice().expect("standard layout");
            let query = Embedding::<C>::from_slice(words).expect("a model's own embedding");
            gallery.search(&query, &mut matches).as_slice().to_vec()
        });
        Ok(nearest.collect())
    }
}

/// Why a gallery cannot be searched with a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The model does not make the gallery's codes.
    #[error(transparent)]
    Code(#[from] CodeKindError),
    /// The gallery is another model's.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// The gallery cannot be viewed.
    #[error(transparent)]
    File(#[from] GalleryFileError),
    /// The model cannot be opened.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Reads and checks a gallery file of any code.
///
/// # Errors
/// When it cannot be read or is not a whole gallery of a known version.
pub fn load_gallery(path: &Path) -> Result<LoadedGallery, GalleryIoError> {
    check(path, AlignedBytes::read_if(path, |head| head.starts_with(MAGIC))?)
}

/// Checks the content of the file at `path`.
pub(super) fn check(path: &Path, bytes: AlignedBytes) -> Result<LoadedGallery, GalleryIoError> {
    from_bytes(bytes).map_err(|error| GalleryIoError::Content { path: path.to_owned(), error })
}

fn from_bytes(bytes: AlignedBytes) -> Result<LoadedGallery, GalleryFileError> {
    let mut gallery = open::<F32>(&bytes, CodeKind::F32)
        .or_else(|error| otherwise::<U8>(error, &bytes, CodeKind::U8))
        .or_else(|error| otherwise::<Projected>(error, &bytes, CodeKind::Projected))
        .or_else(|error| otherwise::<Binary>(error, &bytes, CodeKind::Binary))
        .or_else(|error| otherwise::<TwoStage>(error, &bytes, CodeKind::TwoStage))?;
    gallery.bytes = bytes;
    Ok(gallery)
}

/// [`open`], if it was only the code that did not fit.
fn otherwise<C: Code>(
    error: GalleryFileError,
    bytes: &[u8],
    code: CodeKind,
) -> Result<LoadedGallery, GalleryFileError> {
    match error {
        GalleryFileError::Code { .. } => open::<C>(bytes, code),
        error => Err(error),
    }
}

fn open<C: Code>(bytes: &[u8], code: CodeKind) -> Result<LoadedGallery, GalleryFileError> {
    let view = GalleryFile::<C>::from_bytes(bytes)?;
    let label = |id| view.label(id).unwrap_or_default().to_owned();
    Ok(LoadedGallery {
        bytes: AlignedBytes::default(),
        code,
        fingerprint: view.fingerprint(),
        dimension: view.dimension(),
        labels: (0..view.len() as u32).map(label).collect(),
    })
}

/// [`load_gallery`], refusing one that `model` did not make.
///
/// # Errors
/// As [`load_gallery`], and [`GalleryIoError::OtherModel`].
pub fn load_gallery_of(path: &Path, model: &LoadedModel) -> Result<LoadedGallery, GalleryIoError> {
    let gallery = load_gallery(path)?;
    let (expected, found) = (model.fingerprint, gallery.fingerprint);
    if expected != found {
        return Err(GalleryIoError::OtherModel { path: path.to_owned(), expected, found });
    }
    Ok(gallery)
}

/// Embeds all images of `data`, codes the embeddings and writes them as a
/// gallery, atomically. Runs on rayon's current pool.
///
/// # Errors
/// When the model does not make such codes or the file cannot be written; what
/// was there before stays.
///
/// # Panics
/// When the images are not of the network's input shape.
pub fn save_gallery(
    path: &Path,
    model: &LoadedModel,
    data: &Dataset,
    code: CodeKind,
) -> Result<(), GalleryIoError> {
    let bytes = encode_in(model, data, &model.encode(data, code)?);
    let bytes = bytes.map_err(|error| GalleryIoError::Content { path: path.to_owned(), error })?;
    Ok(write_atomically(path, |writer| writer.write_all(&bytes))?)
}

fn encode_in(
    model: &LoadedModel,
    data: &Dataset,
    coded: &CodedEmbeddings,
) -> Result<AlignedBytes, GalleryFileError> {
    let dimension = coded.dimension;
    match (&coded.words, coded.code) {
        (Words::F32(words), _) => encode::<F32>(model, data, dimension, words.view()),
        (Words::U32(words), CodeKind::Projected) => {
            encode::<Projected>(model, data, dimension, words.view())
        }
        (Words::U32(words), CodeKind::Binary) => {
            encode::<Binary>(model, data, dimension, words.view())
        }
        (Words::U32(words), CodeKind::TwoStage) => {
            encode::<TwoStage>(model, data, dimension, words.view())
        }
        (Words::U32(words), _) => encode::<U8>(model, data, dimension, words.view()),
    }
}

fn encode<C: Code>(
    model: &LoadedModel,
    data: &Dataset,
    dimension: usize,
    words: ArrayView2<'_, C::Word>,
) -> Result<AlignedBytes, GalleryFileError> {
    let contents = GalleryContents::<C> {
        fingerprint: model.fingerprint,
        dimension,
        names: &data.class_names.join("\n"),
        labels: &data.labels,
        embeddings: words.to_slice().expect("standard layout"),
    };
    let mut bytes = AlignedBytes::zeroed(gallery::file_len(&contents)?);
    gallery::write(&contents, &mut bytes)?;
    Ok(bytes)
}
