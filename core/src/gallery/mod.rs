//! Galleries: labelled embeddings, in flash and in RAM, searched as one.

mod error;
mod file;
mod slice;

use heapless::{String, Vec};

pub use error::{GalleryError, GalleryFileError};
pub use file::{GalleryContents, GalleryFile, file_len, write};
pub use slice::{SliceGallery, Slot};

use crate::{Embedding, Encoding, Match, Matches, Model, squared_distance};

/// Most bytes of an enrolled item's label.
pub const MAX_LABEL: usize = 32;

/// A read-only gallery file and up to `N` enrolled items of `D` dimensions.
///
/// Ids are stable: the file's items have 0 to n - 1, enrolled items count on
/// from n, and the id of a removed item is not used again.
#[derive(Clone, Debug)]
pub struct Gallery<'a, const N: usize, const D: usize> {
    file: Option<GalleryFile<'a>>,
    /// In the order of their ids.
    enrolled: Vec<Enrolled<D>, N>,
    next_id: u32,
}

#[derive(Clone, Debug)]
struct Enrolled<const D: usize> {
    id: u32,
    label: String<MAX_LABEL>,
    embedding: [f32; D],
}

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

impl<'a, const N: usize, const D: usize> Gallery<'a, N, D> {
    /// A gallery of the model's embeddings, with the file's items if there is one.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] unless the model's embeddings have `D`
    /// dimensions; [`GalleryError::OtherModel`] if the file was made with
    /// another model.
    pub fn new<E: Encoding>(
        model: &Model<'_, E>,
        file: Option<GalleryFile<'a>>,
    ) -> Result<Self, GalleryError> {
        let (expected, found) = (D, model.network().embedding_len());
        if found != expected {
            return Err(GalleryError::Dimension { expected, found });
        }
        let mut next_id = 0;
        if let Some(file) = &file {
            let (expected, found) = (model.fingerprint(), file.fingerprint());
            if found != expected {
                return Err(GalleryError::OtherModel { expected, found });
            }
            let (expected, found) = (D, file.dimension());
            if found != expected {
                return Err(GalleryError::Dimension { expected, found });
            }
            next_id = u32::try_from(file.len()).map_err(|_| GalleryError::Ids)?;
        }
        Ok(Gallery { file, enrolled: Vec::new(), next_id })
    }

    /// Adds an item and gives its id.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] for an embedding of another dimension,
    /// [`GalleryError::Label`] for a label of more than [`MAX_LABEL`] bytes,
    /// [`GalleryError::Full`] with `N` items enrolled, [`GalleryError::Ids`]
    /// after 2^32 - 1 items. The gallery is then as it was.
    pub fn enrol(&mut self, label: &str, embedding: &Embedding<'_>) -> Result<u32, GalleryError> {
        let values = embedding.as_slice();
        let wrong_dimension = GalleryError::Dimension { expected: D, found: values.len() };
        let embedding = values.try_into().map_err(|_| wrong_dimension)?;
        let label = String::try_from(label).map_err(|_| GalleryError::Label)?;
        let id = self.next_id;
        let next_id = id.checked_add(1).ok_or(GalleryError::Ids)?;
        self.enrolled.push(Enrolled { id, label, embedding }).map_err(|_| GalleryError::Full)?;
        self.next_id = next_id;
        Ok(id)
    }

    /// Removes an enrolled item.
    ///
    /// # Errors
    /// [`GalleryError::ReadOnly`] for an item of the file,
    /// [`GalleryError::UnknownId`] if there is none.
    pub fn remove(&mut self, id: u32) -> Result<(), GalleryError> {
        if self.file.is_some_and(|file| file.label(id).is_some()) {
            return Err(GalleryError::ReadOnly);
        }
        let before = self.enrolled.len();
        self.enrolled.retain(|item| item.id != id);
        if self.enrolled.len() == before {
            return Err(GalleryError::UnknownId);
        }
        Ok(())
    }

    /// The label of an item.
    pub fn label(&self, id: u32) -> Option<&str> {
        match self.file.and_then(|file| file.label(id)) {
            Some(label) => Some(label),
            None => self.enrolled.iter().find(|item| item.id == id).map(|item| item.label.as_str()),
        }
    }

    /// Number of items, the file's included.
    pub fn len(&self) -> usize {
        self.file.map_or(0, |file| file.len()) + self.enrolled.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All items in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        let of_file = self.file.into_iter().flat_map(|file| {
            (0..).zip(file.embeddings()).map(move |(id, embedding)| Item {
                id,
                label: file.label(id).unwrap_or_default(),
                embedding,
            })
        });
        let enrolled = self.enrolled.iter().map(|item| Item {
            id: item.id,
            label: &item.label,
            embedding: &item.embedding,
        });
        of_file.chain(enrolled)
    }

    /// The `K` items nearest to a query by squared Euclidean distance, ties by
    /// lower id. A query of another dimension matches nothing.
    pub fn search<const K: usize>(&self, query: &Embedding<'_>) -> Matches<K> {
        let query = query.as_slice();
        let mut matches = Matches::new();
        if query.len() != D {
            return matches;
        }
        if let Some(file) = &self.file {
            for (id, embedding) in (0..).zip(file.embeddings()) {
                matches.insert(Match { id, distance: squared_distance(query, embedding) });
            }
        }
        for item in &self.enrolled {
            let distance = squared_distance(query, &item.embedding);
            matches.insert(Match { id: item.id, distance });
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_run_out_without_reuse() {
        let mut gallery: Gallery<'_, 2, 1> =
            Gallery { file: None, enrolled: Vec::new(), next_id: u32::MAX - 1 };
        let embedding = Embedding::from_slice(&[1.0]).unwrap();
        assert_eq!(gallery.enrol("last", &embedding), Ok(u32::MAX - 1));
        assert_eq!(gallery.enrol("none", &embedding), Err(GalleryError::Ids));
        gallery.remove(u32::MAX - 1).unwrap();
        assert_eq!(gallery.enrol("none", &embedding), Err(GalleryError::Ids));
    }
}
