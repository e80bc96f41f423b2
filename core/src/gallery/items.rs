//! The one implementation of both galleries: a file's items, and enrolled
//! items in memory that the gallery owns or borrows.

use core::mem;

use heapless::String;

use super::{GalleryError, GalleryFile, Item, MAX_LABEL};
use crate::chunks::chunks;
use crate::top_k::Nearest;
use crate::{Code, Embedding, Encoding, Match, Model, TwoStage};

/// Memory for one enrolled item of a gallery, beside its embedding.
#[derive(Clone, Debug)]
pub struct Slot {
    id: u32,
    label: String<MAX_LABEL, u8>,
}

impl Slot {
    /// Memory that holds no item yet.
    // All zeros, so that a static of them takes no flash.
    pub const EMPTY: Slot = Slot { id: 0, label: String::new() };
}

/// What a gallery holds beside the memory of the enrolled items.
#[derive(Clone, Debug)]
pub(super) struct State<'a, C: Code> {
    file: Option<GalleryFile<'a, C>>,
    enrolled: usize,
    /// Above the ids of all items that there have been.
    next_id: u32,
}

impl<'a, C: Code> State<'a, C> {
    /// No file and no item. All zeros, as [`Slot::EMPTY`].
    pub const EMPTY: State<'static, C> = State { file: None, enrolled: 0, next_id: 0 };

    /// Only the file's items, if it fits the model and the number of words.
    pub fn new<E: Encoding>(
        model: &Model<'_, E>,
        words: usize,
        file: Option<GalleryFile<'a, C>>,
    ) -> Result<State<'a, C>, GalleryError> {
        if let Some(found) = model.words_in::<C>() {
            check_words(words, found)?;
        }
        let mut next_id = 0;
        if let Some(file) = &file {
            let (expected, found) = (model.fingerprint(), file.fingerprint());
            if found != expected {
                return Err(GalleryError::OtherModel { expected, found });
            }
            check_words(words, file.words())?;
            next_id = u32::try_from(file.len()).map_err(|_| GalleryError::Ids)?;
        }
        Ok(State { file, enrolled: 0, next_id })
    }
}

fn check_words(expected: usize, found: usize) -> Result<(), GalleryError> {
    if found == expected { Ok(()) } else { Err(GalleryError::Dimension { expected, found }) }
}

/// A gallery to read.
#[derive(Clone, Copy)]
pub(super) struct Items<'g, 'a, C: Code> {
    pub state: &'g State<'a, C>,
    /// Words of an embedding.
    pub words: usize,
    /// The enrolled items come first, in the order of their ids.
    pub slots: &'g [Slot],
    /// The slots' embeddings, one after the other.
    pub embeddings: &'g [C::Word],
}

impl<'g, 'a, C: Code> Items<'g, 'a, C> {
    pub fn len(self) -> usize {
        self.read_only() + self.state.enrolled
    }

    /// How many items can be enrolled at a time.
    pub fn capacity(self) -> usize {
        self.slots.len().min(self.embeddings.len().checked_div(self.words).unwrap_or(0))
    }

    pub fn label(self, id: u32) -> Option<&'g str> {
        if self.is_read_only(id) {
            return self.state.file?.label(id);
        }
        let place = self.place(id).ok()?;
        self.slots.get(place).map(|slot| slot.label.as_str())
    }

    pub fn iter(self) -> impl Iterator<Item = Item<'g, C>> + use<'g, 'a, C> {
        let of_file = self.state.file.into_iter().flat_map(|file| {
            (0..).zip(file.embeddings()).map(move |(id, embedding)| Item {
                id,
                label: file.label(id).unwrap_or_default(),
                embedding,
            })
        });
        let enrolled = self.enrolled().map(|(slot, embedding)| Item {
            id: slot.id,
            label: &slot.label,
            embedding,
        });
        of_file.chain(enrolled)
    }

    /// Finds the items nearest to the query, none for a query of another length,
    /// and gives their number.
    pub fn search(self, query: &Embedding<'_, C>, mut nearest: Nearest<'_>) -> usize {
        if C::SHORTLIST > nearest.capacity() {
            return self.search_shortlist(query, &mut [Match::NONE; TwoStage::SHORTLIST], nearest);
        }
        let query = query.as_slice();
        if query.len() != self.words {
            return 0;
        }
        let mut place = 0u32;
        for words in self.parts() {
            C::keys(query, words, |key| {
                nearest.insert(place, key);
                place = place.wrapping_add(1);
            });
        }
        self.finish(nearest)
    }

    /// [`Items::search`] among the items of which the first words are nearest:
    /// as many as `shortlist` has room for.
    pub fn search_shortlist(
        self,
        query: &Embedding<'_, C>,
        shortlist: &mut [Match],
        mut nearest: Nearest<'_>,
    ) -> usize {
        let query = query.as_slice();
        if query.len() != self.words {
            return 0;
        }
        let mut rough = Nearest::new(shortlist);
        let mut place = 0u32;
        for words in self.parts() {
            C::rough_keys(query, words, |key| {
                rough.insert(place, key);
                place = place.wrapping_add(1);
            });
        }
        for place in rough.places() {
            nearest.insert(place, C::key(query, self.embedding(place)));
        }
        self.finish(nearest)
    }

    /// Turns places, which are in the order of the ids, to ids: the file's
    /// items come first, then the enrolled ones.
    fn finish(self, nearest: Nearest<'_>) -> usize {
        let id = |place: u32| match self.enrolled_place(place) {
            None => place,
            Some(place) => self.slots.get(place).map_or(place as u32, |slot| slot.id),
        };
        nearest.finish(id, |key| C::distance(key, self.words))
    }

    /// The words of the file's items, and of the enrolled ones.
    fn parts(self) -> [&'g [C::Word]; 2] {
        let of_file = self.state.file.as_ref().map_or(&[][..], GalleryFile::all_words);
        let enrolled = self.state.enrolled.saturating_mul(self.words);
        [of_file, self.embeddings.get(..enrolled).unwrap_or_default()]
    }

    /// The words of the item at a place.
    fn embedding(self, place: u32) -> &'g [C::Word] {
        let [of_file, enrolled] = self.parts();
        let (part, place) = match self.enrolled_place(place) {
            None => (of_file, place as usize),
            Some(place) => (enrolled, place),
        };
        let rest = part.get(place.saturating_mul(self.words)..).unwrap_or_default();
        rest.get(..self.words).unwrap_or_default()
    }

    /// The slot of the item at a place; `None` for an item of the file.
    fn enrolled_place(self, place: u32) -> Option<usize> {
        (place as usize).checked_sub(self.read_only())
    }

    fn read_only(self) -> usize {
        self.state.file.as_ref().map_or(0, GalleryFile::len)
    }

    fn is_read_only(self, id: u32) -> bool {
        usize::try_from(id).is_ok_and(|id| id < self.read_only())
    }

    fn enrolled_slots(self) -> &'g [Slot] {
        self.slots.get(..self.state.enrolled).unwrap_or_default()
    }

    fn enrolled(self) -> impl Iterator<Item = (&'g Slot, &'g [C::Word])> {
        self.enrolled_slots().iter().zip(chunks(self.embeddings, self.words))
    }

    /// The place of an enrolled item, or as an error the one that it would have.
    fn place(self, id: u32) -> Result<usize, usize> {
        self.enrolled_slots().binary_search_by_key(&id, |slot| slot.id)
    }
}

/// A gallery to change.
pub(super) struct ItemsMut<'g, 'a, C: Code> {
    pub state: &'g mut State<'a, C>,
    /// Words of an embedding.
    pub words: usize,
    /// As those of [`Items`].
    pub slots: &'g mut [Slot],
    pub embeddings: &'g mut [C::Word],
}

impl<'a, C: Code> ItemsMut<'_, 'a, C> {
    pub fn enrol(
        &mut self,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<u32, GalleryError> {
        let id = self.state.next_id;
        self.enrol_with_id(id, label, embedding)?;
        Ok(id)
    }

    pub fn enrol_with_id(
        &mut self,
        id: u32,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<(), GalleryError> {
        let words = embedding.as_slice();
        check_words(self.words, words.len())?;
        let label = String::try_from(label).map_err(|_| GalleryError::Label)?;
        let next_id = id.checked_add(1).ok_or(GalleryError::Ids)?;
        if self.items().is_read_only(id) {
            return Err(GalleryError::ReadOnly);
        }
        let Err(place) = self.items().place(id) else {
            return Err(GalleryError::DuplicateId);
        };
        let last = self.state.enrolled;
        if last >= self.items().capacity() {
            return Err(GalleryError::Full);
        }
        let slot = self.slots.get_mut(last).ok_or(GalleryError::Full)?;
        *slot = Slot { id, label };
        let room = embeddings_from(self.embeddings, self.words, last);
        for (to, from) in room.iter_mut().zip(words) {
            *to = *from;
        }
        for place in (place..last).rev() {
            self.swap_with_next(place);
        }
        self.state.enrolled = last + 1;
        self.state.next_id = self.state.next_id.max(next_id);
        Ok(())
    }

    pub fn remove(&mut self, id: u32) -> Result<(), GalleryError> {
        if self.items().is_read_only(id) {
            return Err(GalleryError::ReadOnly);
        }
        let hole = self.items().place(id).map_err(|_| GalleryError::UnknownId)?;
        let last = self.state.enrolled.saturating_sub(1);
        for place in hole..last {
            self.swap_with_next(place);
        }
        self.state.enrolled = last;
        Ok(())
    }

    fn items(&self) -> Items<'_, 'a, C> {
        Items {
            state: self.state,
            words: self.words,
            slots: self.slots,
            embeddings: self.embeddings,
        }
    }

    /// Exchanges an item with the one after it, so that a new item comes to its
    /// place and a removed one to the end without memory beside the gallery's.
    fn swap_with_next(&mut self, place: usize) {
        let slots = self.slots.get_mut(place..).and_then(<[Slot]>::first_chunk_mut);
        if let Some([slot, next]) = slots {
            mem::swap(slot, next);
        }
        let embeddings = embeddings_from(self.embeddings, self.words, place);
        if let Some((embedding, next)) = embeddings.split_at_mut_checked(self.words) {
            for (word, next) in embedding.iter_mut().zip(next) {
                mem::swap(word, next);
            }
        }
    }
}

/// The words of the embeddings from a place on.
fn embeddings_from<W>(embeddings: &mut [W], words: usize, place: usize) -> &mut [W] {
    embeddings.get_mut(place.saturating_mul(words)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::F32;

    fn embedding() -> Embedding<'static> {
        Embedding::from_slice(&[1.0]).unwrap()
    }

    /// A gallery of one dimension, without a file.
    fn with<R>(next_id: u32, test: impl FnOnce(&mut ItemsMut<'_, '_, F32>) -> R) -> R {
        let mut state = State { next_id, ..State::EMPTY };
        let (mut slots, mut embeddings) = ([Slot::EMPTY; 2], [0.0; 2]);
        test(&mut ItemsMut {
            state: &mut state,
            words: 1,
            slots: &mut slots,
            embeddings: &mut embeddings,
        })
    }

    #[test]
    fn ids_run_out_without_reuse() {
        with(u32::MAX - 1, |items| {
            assert_eq!(items.enrol("last", &embedding()), Ok(u32::MAX - 1));
            assert_eq!(items.enrol("none", &embedding()), Err(GalleryError::Ids));
            items.remove(u32::MAX - 1).unwrap();
            assert_eq!(items.enrol("none", &embedding()), Err(GalleryError::Ids));
        });
    }

    #[test]
    fn the_last_id_can_be_given_but_not_the_one_beyond() {
        with(0, |items| {
            let beyond = items.enrol_with_id(u32::MAX, "beyond", &embedding());
            assert_eq!(beyond, Err(GalleryError::Ids));
            items.enrol_with_id(u32::MAX - 1, "last", &embedding()).unwrap();
            assert_eq!(items.enrol("none", &embedding()), Err(GalleryError::Ids));
            // Ids below are still free.
            items.enrol_with_id(7, "seven", &embedding()).unwrap();
            assert_eq!(items.items().label(7), Some("seven"));
        });
    }
}
