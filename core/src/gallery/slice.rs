//! A gallery whose capacity and dimension are known at run time.

use super::items::{Items, ItemsMut, Slot, State};
use super::{GalleryError, GalleryFile, Item};
use crate::{Code, Embedding, Encoding, F32, Match, Model, TopK, TwoStage};

/// [`Gallery`](super::Gallery) for a capacity and a dimension that are known at
/// run time, in the caller's memory; of embeddings in code `C`.
///
/// ```
/// use lookalike::gallery::{SliceGallery, Slot};
/// use lookalike::{F32, Match, Model};
///
/// # static MODEL: &[u8] =
/// #     lookalike::include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.model"));
/// let model = Model::<F32>::from_bytes(MODEL)?;
/// let mut workspace = vec![0.0; model.workspace_len()];
/// let embedding = model.embed(&[128; 22 * 30 * 2], &mut workspace)?;
///
/// let mut slots = vec![Slot::EMPTY; 16];
/// let mut embeddings = vec![0.0; 16 * model.network().embedding_len()];
/// let mut gallery = SliceGallery::new(&model, None, &mut slots, &mut embeddings)?;
/// let id = gallery.enrol("cup", &embedding)?;
///
/// let mut matches = [Match { id: 0, distance: 0.0 }; 5];
/// let nearest = gallery.search(&embedding, &mut matches);
/// assert_eq!(nearest.as_slice()[0].id, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SliceGallery<'a, 'm, C: Code = F32> {
    state: State<'a, C>,
    words: usize,
    slots: &'m mut [Slot],
    embeddings: &'m mut [C::Word],
}

impl<'a, 'm, C: Code> SliceGallery<'a, 'm, C> {
    /// A gallery of the model's embeddings, with the file's items if there is
    /// one. It enrols as many items as there are slots and whole embeddings;
    /// what these held before does not matter.
    ///
    /// How long projected embeddings are, the model says, or the file if the
    /// model has no projection; without both, none can be enrolled.
    ///
    /// # Errors
    /// [`GalleryError::OtherModel`] if the file was made with another model,
    /// [`GalleryError::Dimension`] if its embeddings are not as long as the model's.
    pub fn new<E: Encoding>(
        model: &Model<'_, E>,
        file: Option<GalleryFile<'a, C>>,
        slots: &'m mut [Slot],
        embeddings: &'m mut [C::Word],
    ) -> Result<Self, GalleryError> {
        let of_file = || file.as_ref().map_or(0, GalleryFile::words);
        let words = model.words_in::<C>().unwrap_or_else(of_file);
        let state = State::new(model, words, file)?;
        Ok(SliceGallery { state, words, slots, embeddings })
    }

    /// Adds an item and gives its id.
    ///
    /// # Errors
    /// As [`Gallery::enrol`](super::Gallery::enrol). The gallery is then as it was.
    pub fn enrol(
        &mut self,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<u32, GalleryError> {
        self.items_mut().enrol(label, embedding)
    }

    /// Adds an item that has its id from elsewhere.
    ///
    /// # Errors
    /// As [`Gallery::enrol_with_id`](super::Gallery::enrol_with_id). The
    /// gallery is then as it was.
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

    /// Words of one embedding: for [`F32`] its values.
    pub const fn words(&self) -> usize {
        self.words
    }

    /// How many items can be enrolled at a time.
    pub fn capacity(&self) -> usize {
        self.items().capacity()
    }

    /// As many items as there are `matches`, nearest to a query by squared
    /// Euclidean distance, ties by lower id. A query of another length matches
    /// nothing.
    ///
    /// In a gallery of [`TwoStage`] embeddings only a shortlist of
    /// [`TwoStage::SHORTLIST`] items is ranked so, unless there are as many
    /// `matches`: then all are.
    pub fn search<'k>(&self, query: &Embedding<'_, C>, matches: &'k mut [Match]) -> TopK<'k> {
        TopK::found_by(matches, |nearest| self.items().search(query, nearest))
    }

    fn items(&self) -> Items<'_, 'a, C> {
        Items {
            state: &self.state,
            words: self.words,
            slots: self.slots,
            embeddings: self.embeddings,
        }
    }

    fn items_mut(&mut self) -> ItemsMut<'_, 'a, C> {
        ItemsMut {
            state: &mut self.state,
            words: self.words,
            slots: self.slots,
            embeddings: self.embeddings,
        }
    }
}

impl SliceGallery<'_, '_, TwoStage> {
    /// [`SliceGallery::search`] with a shortlist of as many items as there is
    /// room for; what that held before does not matter. There are no more
    /// matches than it is long.
    pub fn search_shortlist<'k>(
        &self,
        query: &Embedding<'_, TwoStage>,
        shortlist: &mut [Match],
        matches: &'k mut [Match],
    ) -> TopK<'k> {
        TopK::found_by(matches, |nearest| self.items().search_shortlist(query, shortlist, nearest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::{self, GalleryContents};
    use crate::model::{self, ModelContents};
    use crate::{Aligned, Gallery, Matches, Network};
    use proptest::prelude::*;
    extern crate std;
    use std::{format, string::String, vec, vec::Vec};

    const CAPACITY: usize = 4;
    const DIMENSION: usize = 2;

    #[derive(Clone, Debug)]
    enum Operation {
        Enrol { label: String, angle: f32 },
        EnrolWithId { id: u32, label: String, angle: f32 },
        Remove { id: u32 },
        Search { angle: f32 },
    }

    fn operation() -> impl Strategy<Value = Operation> {
        // Few angles, so that equal distances are common.
        let angle = || (0..8u8).prop_map(|eighth| f32::from(eighth) * 0.2);
        prop_oneof![
            ("[a-z]{0,34}", angle()).prop_map(|(label, angle)| Operation::Enrol { label, angle }),
            (0..12u32, "[a-z]{0,34}", angle())
                .prop_map(|(id, label, angle)| Operation::EnrolWithId { id, label, angle }),
            (0..12u32).prop_map(|id| Operation::Remove { id }),
            angle().prop_map(|angle| Operation::Search { angle }),
        ]
    }

    fn unit(angle: f32) -> [f32; DIMENSION] {
        [libm::cosf(angle), libm::sinf(angle)]
    }

    struct Files {
        model: Aligned<[u8; 4096]>,
        model_len: usize,
        gallery: Aligned<[u8; 256]>,
        gallery_len: usize,
    }

    /// A model of two dimensions and three items that it could have embedded.
    fn files() -> Files {
        let network = Network::new([1, 18, 18], [1, 1, 2], 1, 0).unwrap();
        let mut model = Aligned([0; 4096]);
        let parameters = vec![0.5; network.parameters()];
        let model_len =
            model::write(&ModelContents::new(network, &parameters), &mut model.0).unwrap();
        let opened = Model::<F32>::from_bytes(&model.0[..model_len]).unwrap();
        let embeddings: Vec<f32> = [0.0, 0.4, 1.4].into_iter().flat_map(unit).collect();
        let contents = GalleryContents::<F32> {
            fingerprint: opened.fingerprint(),
            dimension: DIMENSION,
            names: "cup\nkey",
            labels: &[0, 1, 0],
            embeddings: &embeddings,
        };
        let mut file = Aligned([0; 256]);
        let gallery_len = gallery::write(&contents, &mut file.0).unwrap();
        Files { model, model_len, gallery: file, gallery_len }
    }

    proptest! {
        #[test]
        fn agrees_with_the_gallery_of_constant_size(
            operations in prop::collection::vec(operation(), 1..60),
            with_file in any::<bool>(),
        ) {
            let files = files();
            let model = Model::<F32>::from_bytes(&files.model.0[..files.model_len]).unwrap();
            let file = GalleryFile::from_bytes(&files.gallery.0[..files.gallery_len]).unwrap();
            let file = with_file.then_some(file);
            let mut expected: Gallery<'_, CAPACITY, DIMENSION> = Gallery::new(&model, file).unwrap();
            let mut slots = vec![Slot::EMPTY; CAPACITY];
            let mut embeddings = vec![f32::NAN; CAPACITY * DIMENSION];
            let mut actual =
                SliceGallery::new(&model, file, &mut slots, &mut embeddings).unwrap();
            for operation in &operations {
                match operation {
                    Operation::Enrol { label, angle } => {
                        let values = unit(*angle);
                        let embedding = Embedding::from_slice(&values).unwrap();
                        let id = expected.enrol(label, &embedding);
                        prop_assert_eq!(actual.enrol(label, &embedding), id);
                    }
                    Operation::EnrolWithId { id, label, angle } => {
                        let values = unit(*angle);
                        let embedding = Embedding::from_slice(&values).unwrap();
                        let expected = expected.enrol_with_id(*id, label, &embedding);
                        prop_assert_eq!(actual.enrol_with_id(*id, label, &embedding), expected);
                    }
                    Operation::Remove { id } => {
                        prop_assert_eq!(actual.remove(*id), expected.remove(*id));
                    }
                    Operation::Search { angle } => {
                        let values = unit(*angle);
                        let query = Embedding::from_slice(&values).unwrap();
                        let matches: Matches<3> = expected.search(&query);
                        let mut room = [Match { id: 7, distance: -1.0 }; 3];
                        let nearest = actual.search(&query, &mut room);
                        prop_assert_eq!(nearest.as_slice(), matches.as_slice());
                    }
                }
                prop_assert_eq!(actual.len(), expected.len());
                prop_assert!(actual.iter().eq(expected.iter()));
                for id in 0..12 {
                    prop_assert_eq!(actual.label(id), expected.label(id));
                }
            }
        }
    }

    #[test]
    fn capacity_is_that_of_the_smaller_memory() {
        let files = files();
        let model = Model::<F32>::from_bytes(&files.model.0[..files.model_len]).unwrap();
        let values = unit(1.0);
        let embedding = Embedding::from_slice(&values).unwrap();
        for (slots, floats, capacity) in [(0, 8, 0), (3, 0, 0), (3, 5, 2), (2, 64, 2)] {
            let mut slots = vec![Slot::EMPTY; slots];
            let mut embeddings = vec![0.0; floats];
            let mut gallery =
                SliceGallery::<F32>::new(&model, None, &mut slots, &mut embeddings).unwrap();
            assert_eq!(gallery.capacity(), capacity);
            for i in 0..capacity {
                gallery.enrol(&format!("{i}"), &embedding).unwrap();
            }
            assert_eq!(gallery.enrol("one more", &embedding), Err(GalleryError::Full));
            assert_eq!(gallery.len(), capacity);
        }
    }

    #[test]
    fn another_dimension_is_refused() {
        let files = files();
        let model = Model::<F32>::from_bytes(&files.model.0[..files.model_len]).unwrap();
        let (mut slots, mut embeddings) = ([Slot::EMPTY], [0.0; DIMENSION]);
        let mut gallery =
            SliceGallery::<F32>::new(&model, None, &mut slots, &mut embeddings).unwrap();
        let longer = Embedding::from_slice(&[1.0, 0.0, 0.0]).unwrap();
        let refused = Err(GalleryError::Dimension { expected: DIMENSION, found: 3 });
        assert_eq!(gallery.enrol("long", &longer), refused);
        let values = unit(0.0);
        gallery.enrol("fits", &Embedding::from_slice(&values).unwrap()).unwrap();
        let mut room = [Match { id: 0, distance: 0.0 }];
        assert!(gallery.search(&longer, &mut room).as_slice().is_empty());
    }
}
