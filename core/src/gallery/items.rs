//! The one implementation of both galleries: a file's items, and enrolled
//! items in memory that the gallery owns or borrows.

use core::mem;

use heapless::String;

use super::{GalleryError, GalleryFile, Item, MAX_LABEL};
use crate::chunks::chunks;
use crate::{Embedding, Encoding, Match, Model, squared_distance};

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
pub(super) struct State<'a> {
    file: Option<GalleryFile<'a>>,
    enrolled: usize,
    /// Above the ids of all items that there have been.
    next_id: u32,
}

impl<'a> State<'a> {
    /// No file and no item. All zeros, as [`Slot::EMPTY`].
    pub const EMPTY: State<'static> = State { file: None, enrolled: 0, next_id: 0 };

    /// Only the file's items, if it fits the model and the dimension.
    pub fn new<E: Encoding>(
        model: &Model<'_, E>,
        dimension: usize,
        file: Option<GalleryFile<'a>>,
    ) -> Result<State<'a>, GalleryError> {
        check_dimension(dimension, model.network().embedding_len())?;
        let mut next_id = 0;
        if let Some(file) = &file {
            let (expected, found) = (model.fingerprint(), file.fingerprint());
            if found != expected {
                return Err(GalleryError::OtherModel { expected, found });
            }
            check_dimension(dimension, file.dimension())?;
            next_id = u32::try_from(file.len()).map_err(|_| GalleryError::Ids)?;
        }
        Ok(State { file, enrolled: 0, next_id })
    }
}

fn check_dimension(expected: usize, found: usize) -> Result<(), GalleryError> {
    if found == expected { Ok(()) } else { Err(GalleryError::Dimension { expected, found }) }
}

/// A gallery to read.
#[derive(Clone, Copy)]
pub(super) struct Items<'g, 'a> {
    pub state: &'g State<'a>,
    pub dimension: usize,
    /// The enrolled items come first, in the order of their ids.
    pub slots: &'g [Slot],
    /// The slots' embeddings, one after the other.
    pub embeddings: &'g [f32],
}

impl<'g, 'a> Items<'g, 'a> {
    pub fn len(self) -> usize {
        self.read_only() + self.state.enrolled
    }

    /// How many items can be enrolled at a time.
    pub fn capacity(self) -> usize {
        self.slots.len().min(self.embeddings.len().checked_div(self.dimension).unwrap_or(0))
    }

    pub fn label(self, id: u32) -> Option<&'g str> {
        if self.is_read_only(id) {
            return self.state.file?.label(id);
        }
        let place = self.place(id).ok()?;
        self.slots.get(place).map(|slot| slot.label.as_str())
    }

    pub fn iter(self) -> impl Iterator<Item = Item<'g>> + use<'g, 'a> {
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

    /// Hands over each item's distance to the query; none for a query of
    /// another dimension.
    pub fn search(self, query: &Embedding<'_>, mut found: impl FnMut(Match)) {
        let query = query.as_slice();
        if query.len() != self.dimension {
            return;
        }
        // Not over `iter`, which looks up the labels.
        if let Some(file) = &self.state.file {
            for (id, embedding) in (0..).zip(file.embeddings()) {
                found(Match { id, distance: squared_distance(query, embedding) });
            }
        }
        for (slot, embedding) in self.enrolled() {
            found(Match { id: slot.id, distance: squared_distance(query, embedding) });
        }
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

    fn enrolled(self) -> impl Iterator<Item = (&'g Slot, &'g [f32])> {
        self.enrolled_slots().iter().zip(chunks(self.embeddings, self.dimension))
    }

    /// The place of an enrolled item, or as an error the one that it would have.
    fn place(self, id: u32) -> Result<usize, usize> {
        self.enrolled_slots().binary_search_by_key(&id, |slot| slot.id)
    }
}

/// A gallery to change.
pub(super) struct ItemsMut<'g, 'a> {
    pub state: &'g mut State<'a>,
    pub dimension: usize,
    /// As those of [`Items`].
    pub slots: &'g mut [Slot],
    pub embeddings: &'g mut [f32],
}

impl<'a> ItemsMut<'_, 'a> {
    pub fn enrol(&mut self, label: &str, embedding: &Embedding<'_>) -> Result<u32, GalleryError> {
        let id = self.state.next_id;
        self.enrol_with_id(id, label, embedding)?;
        Ok(id)
    }

    pub fn enrol_with_id(
        &mut self,
        id: u32,
        label: &str,
        embedding: &Embedding<'_>,
    ) -> Result<(), GalleryError> {
        let values = embedding.as_slice();
        check_dimension(self.dimension, values.len())?;
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
        let room = embeddings_from(self.embeddings, self.dimension, last);
        for (to, from) in room.iter_mut().zip(values) {
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

    fn items(&self) -> Items<'_, 'a> {
        Items {
            state: self.state,
            dimension: self.dimension,
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
        let embeddings = embeddings_from(self.embeddings, self.dimension, place);
        if let Some((embedding, next)) = embeddings.split_at_mut_checked(self.dimension) {
            for (value, next) in embedding.iter_mut().zip(next) {
                mem::swap(value, next);
            }
        }
    }
}

/// The values of the embeddings from a place on.
fn embeddings_from(embeddings: &mut [f32], dimension: usize, place: usize) -> &mut [f32] {
    embeddings.get_mut(place.saturating_mul(dimension)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding() -> Embedding<'static> {
        Embedding::from_slice(&[1.0]).unwrap()
    }

    /// A gallery of one dimension, without a file.
    fn with<R>(next_id: u32, test: impl FnOnce(&mut ItemsMut<'_, '_>) -> R) -> R {
        let mut state = State { next_id, ..State::EMPTY };
        let (mut slots, mut embeddings) = ([Slot::EMPTY; 2], [0.0; 2]);
        test(&mut ItemsMut {
            state: &mut state,
            dimension: 1,
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
