//! The gallery of one code, whatever the code.

use lookalike::gallery::{self, GalleryContents, SliceGallery, Slot};
use lookalike::{Code, Embedding, F32, GalleryError, GalleryFileError, Int8, Match, Model};

use crate::files::{LoadedGallery, LoadedModel, SearchError, Words};

/// Does `$body` with `$C` as the type of a `CodeKind`.
macro_rules! with_code {
    ($code:expr, $C:ident => $body:expr) => {
        match $code {
            $crate::files::CodeKind::F32 => {
                type $C = lookalike::F32;
                $body
            }
            $crate::files::CodeKind::U8 => {
                type $C = lookalike::U8;
                $body
            }
            $crate::files::CodeKind::Projected => {
                type $C = lookalike::Projected;
                $body
            }
            $crate::files::CodeKind::Binary => {
                type $C = lookalike::Binary;
                $body
            }
            $crate::files::CodeKind::TwoStage => {
                type $C = lookalike::TwoStage;
                $body
            }
        }
    };
}
pub(super) use with_code;

/// A gallery that can be searched and that grows. Embeddings are one row of
/// [`Words`] in the gallery's code.
pub trait Shelf {
    /// Bytes of one embedding.
    fn item_bytes(&self) -> usize;

    /// What an item is called.
    fn label(&self, id: u32) -> Option<&str>;

    /// The `k` nearest items, nearest first; `None` if the words are no embedding.
    fn search(&self, query: &Words, k: usize) -> Option<Vec<Match>>;

    /// Adds an item, with an id if it has one from elsewhere, and gives its id.
    fn enrol(
        &mut self,
        id: Option<u32>,
        name: &str,
        embedding: &Words,
    ) -> Result<u32, GalleryError>;

    /// Removes an enrolled item.
    fn remove(&mut self, id: u32) -> Result<(), GalleryError>;

    /// All items as a gallery file, numbered anew from 0.
    fn file(&self) -> Result<Vec<u8>, GalleryFileError>;
}

/// Memory for the items that are enrolled in one gallery.
#[derive(Default)]
pub struct Memory {
    slots: Vec<Slot>,
    /// All codes have words of four bytes.
    words: Vec<u32>,
}

/// Opens a gallery of `model`, with memory for `capacity` more items.
pub fn open<'a>(
    model: &LoadedModel,
    gallery: &'a LoadedGallery,
    memory: &'a mut Memory,
    capacity: usize,
) -> Result<Box<dyn Shelf + 'a>, SearchError> {
    with_code!(gallery.code(), C => open_coded::<C>(model, gallery, memory, capacity))
}

fn open_coded<'a, C: Code + 'a>(
    model: &LoadedModel,
    loaded: &'a LoadedGallery,
    memory: &'a mut Memory,
    capacity: usize,
) -> Result<Box<dyn Shelf + 'a>, SearchError> {
    let file = loaded.view::<C>()?;
    memory.slots.resize(capacity, Slot::EMPTY);
    memory.words.resize(capacity * file.words(), 0);
    let words = bytemuck::cast_slice_mut(&mut memory.words);
    let slots = &mut memory.slots;
    let gallery = if model.float().is_some() {
        SliceGallery::<C>::new(&Model::<F32>::from_bytes(model.file())?, Some(file), slots, words)
    } else {
        SliceGallery::<C>::new(&Model::<Int8>::from_bytes(model.file())?, Some(file), slots, words)
    };
    let (fingerprint, dimension) = (loaded.fingerprint(), loaded.dimension());
    Ok(Box::new(CodedShelf { gallery: gallery?, fingerprint, dimension }))
}

struct CodedShelf<'a, C: Code> {
    gallery: SliceGallery<'a, 'a, C>,
    fingerprint: u32,
    dimension: usize,
}

/// The first row, as words of a code.
fn row<C: Code>(words: &Words) -> &[C::Word] {
    bytemuck::cast_slice(bits(words))
}

/// All rows' words, as their bits.
pub fn bits(words: &Words) -> &[u32] {
    match words {
        Words::F32(values) => bytemuck::cast_slice(values.as_slice().expect("standard layout")),
        Words::U32(words) => words.as_slice().expect("standard layout"),
    }
}

impl<C: Code> Shelf for CodedShelf<'_, C> {
    fn item_bytes(&self) -> usize {
        self.gallery.words() * size_of::<u32>()
    }

    fn label(&self, id: u32) -> Option<&str> {
        self.gallery.label(id)
    }

    fn search(&self, query: &Words, k: usize) -> Option<Vec<Match>> {
        let query = Embedding::<C>::from_slice(row::<C>(query)).ok()?;
        let mut matches = vec![Match { id: 0, distance: 0.0 }; k];
        Some(self.gallery.search(&query, &mut matches).as_slice().to_vec())
    }

    fn enrol(
        &mut self,
        id: Option<u32>,
        name: &str,
        embedding: &Words,
    ) -> Result<u32, GalleryError> {
        let words = row::<C>(embedding);
        let (expected, found) = (self.gallery.words(), words.len());
        let embedding = Embedding::<C>::from_slice(words)
            .map_err(|_| GalleryError::Dimension { expected, found })?;
        match id {
            None => self.gallery.enrol(name, &embedding),
            Some(id) => self.gallery.enrol_with_id(id, name, &embedding).map(|()| id),
        }
    }

    fn remove(&mut self, id: u32) -> Result<(), GalleryError> {
        self.gallery.remove(id)
    }

    fn file(&self) -> Result<Vec<u8>, GalleryFileError> {
        let mut names: Vec<&str> = self.gallery.iter().map(|item| item.label).collect();
        names.sort_unstable();
        names.dedup();
        let place = |label| names.binary_search(&label).expect("collected from the same items");
        let (mut labels, mut embeddings) = (Vec::new(), Vec::new());
        for item in self.gallery.iter() {
            labels.push(u16::try_from(place(item.label)).map_err(|_| GalleryFileError::Labels)?);
            embeddings.extend_from_slice(item.embedding);
        }
        let contents = GalleryContents::<C> {
            fingerprint: self.fingerprint,
            dimension: self.dimension,
            names: &names.join("\n"),
            labels: &labels,
            embeddings: &embeddings,
        };
        let mut bytes = vec![0; gallery::file_len(&contents)?];
        gallery::write(&contents, &mut bytes)?;
        Ok(bytes)
    }
}
