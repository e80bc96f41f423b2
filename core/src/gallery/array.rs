//! A gallery that owns its memory, of a size that is known at compile time.

use super::items::{Items, ItemsMut, Slot, State};
use super::{GalleryError, GalleryFile, Item};
use crate::{Code, Embedding, Encoding, F32, Match, Matches, Model, TwoStage};

/// A read-only gallery file and up to `N` enrolled items, each with an embedding
/// of `D` words in code `C`: for [`F32`] of `D` dimensions. About
/// `N` x (4 `D` + 40) bytes.
///
/// Ids are stable: the file's items have 0 to n - 1, enrolled items count on
/// from n, and the id of a removed item is not used again.
///
/// A gallery that is too large for the stack is made in place:
///
/// ```
/// use std::sync::Mutex; // In firmware, a mutex of its own.
///
/// use lookalike::{F32, Gallery, GalleryError, Model};
///
/// static GALLERY: Mutex<Gallery<'static, 100, 36>> = Mutex::new(Gallery::empty());
///
/// fn start(model: &Model<'_, F32>) -> Result<(), GalleryError> {
///     let mut gallery = GALLERY.lock().unwrap();
///     gallery.open(model, None)
/// }
/// # static MODEL: &[u8] =
/// #     lookalike::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.model"));
/// # start(&Model::from_bytes(MODEL)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gallery<'a, const N: usize, const D: usize, C: Code = F32> {
    state: State<'a, C>,
    slots: [Slot; N],
    embeddings: [[C::Word; D]; N],
}

impl<'a, const N: usize, const D: usize, C: Code> Gallery<'a, N, D, C> {
    /// Bytes of RAM that the gallery takes, known at compile time.
    ///
    /// ```
    /// use lookalike::{Gallery, Network, U8};
    /// const DIMENSION: usize = Network::REFERENCE.embedding_len();
    /// // Sixteen items of 1 KB each, their labels and ids, in less than 17.5 KB.
    /// const { assert!(Gallery::<'static, 16, DIMENSION>::BYTES < 17_920) };
    /// // And in a quarter of that.
    /// const { assert!(Gallery::<'static, 16, { U8::words(DIMENSION) }, U8>::BYTES < 5_000) };
    /// ```
    pub const BYTES: usize = size_of::<Self>();

    /// A gallery of the model's embeddings, with the file's items if there is one.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] unless the model's embeddings have `D` words
    /// in this code, and the file's; [`GalleryError::OtherModel`] if the file was made with
    /// another model.
    pub fn new<E: Encoding>(
        model: &Model<'_, E>,
        file: Option<GalleryFile<'a, C>>,
    ) -> Result<Self, GalleryError> {
        Ok(Gallery { state: State::new(model, D, file)?, ..Self::empty() })
    }

    /// A gallery without a file and without items, for a static, to be opened
    /// there. It is all zeros: the static takes no flash.
    pub const fn empty() -> Self {
        Gallery { state: State::EMPTY, slots: [Slot::EMPTY; N], embeddings: [[C::ZERO; D]; N] }
    }

    /// Begins anew in the same memory, as [`Gallery::new`] does: the items that
    /// were enrolled are gone.
    ///
    /// # Errors
    /// As [`Gallery::new`]. The gallery is then as it was.
    pub fn open<E: Encoding>(
        &mut self,
        model: &Model<'_, E>,
        file: Option<GalleryFile<'a, C>>,
    ) -> Result<(), GalleryError> {
        self.state = State::new(model, D, file)?;
        Ok(())
    }

    /// Adds an item and gives its id.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] for an embedding of another length,
    /// [`GalleryError::Label`] for a label of more than
    /// [`MAX_LABEL`](super::MAX_LABEL) bytes, [`GalleryError::Full`] with `N`
    /// items enrolled, [`GalleryError::Ids`] after 2^32 - 1 items. The gallery
    /// is then as it was.
    pub fn enrol(
        &mut self,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<u32, GalleryError> {
        self.items_mut().enrol(label, embedding)
    }

    /// Adds an item that has its id from elsewhere. Ids may come in any order;
    /// [`Gallery::enrol`] counts on from the highest.
    ///
    /// So a gallery is filled at boot with what has been stored: the module
    /// `store` has an example.
    ///
    /// # Errors
    /// As [`Gallery::enrol`], and [`GalleryError::ReadOnly`] for the id of an
    /// item of the file, [`GalleryError::DuplicateId`] for that of an enrolled
    /// item, [`GalleryError::Ids`] for 2^32 - 1. The gallery is then as it was.
    pub fn enrol_with_id(
        &mut self,
        id: u32,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<(), GalleryError> {
        self.items_mut().enrol_with_id(id, label, embedding)
    }

    /// Removes an enrolled item.
    ///
    /// # Errors
    /// [`GalleryError::ReadOnly`] for an item of the file,
    /// [`GalleryError::UnknownId`] if there is none.
    pub fn remove(&mut self, id: u32) -> Result<(), GalleryError> {
        self.items_mut().remove(id)
    }

    /// The label of an item.
    pub fn label(&self, id: u32) -> Option<&str> {
        self.items().label(id)
    }

    /// Number of items, the file's included.
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All items in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_, C>> {
        self.items().iter()
    }

    /// The `K` items nearest to a query by squared Euclidean distance, ties by
    /// lower id. A query of another length matches nothing.
    ///
    /// In a gallery of [`TwoStage`] embeddings only a shortlist of
    /// [`TwoStage::SHORTLIST`] items is ranked so, unless `K` is as large: then
    /// all are.
    pub fn search<const K: usize>(&self, query: &Embedding<'_, C>) -> Matches<K> {
        Matches::found_by(|nearest| self.items().search(query, nearest))
    }

    fn items(&self) -> Items<'_, 'a, C> {
        Items {
            state: &self.state,
            words: D,
            slots: &self.slots,
            embeddings: self.embeddings.as_flattened(),
        }
    }

    fn items_mut(&mut self) -> ItemsMut<'_, 'a, C> {
        ItemsMut {
            state: &mut self.state,
            words: D,
            slots: &mut self.slots,
            embeddings: self.embeddings.as_flattened_mut(),
        }
    }
}

impl<const N: usize, const D: usize> Gallery<'_, N, D, TwoStage> {
    /// [`Gallery::search`] with a shortlist of as many items as there is room
    /// for; what that held before does not matter. There are no more matches
    /// than it is long.
    pub fn search_shortlist<const K: usize>(
        &self,
        query: &Embedding<'_, TwoStage>,
        shortlist: &mut [Match],
    ) -> Matches<K> {
        Matches::found_by(|nearest| self.items().search_shortlist(query, shortlist, nearest))
    }
}
