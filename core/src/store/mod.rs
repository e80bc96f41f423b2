//! Enrolments that persist on NOR flash, over the traits of [`embedded_storage`].
//!
//! A store keeps labelled embeddings of one model in a region of flash. An
//! operation that has returned is not undone by a power cut at any later
//! write or erase; one that was under way has happened entirely or not at all.
//! Ids are stable, and none is given twice: not after removals, restarts or
//! compaction. `docs/store.md` gives the layout, what is promised, and how to
//! size the region.
//!
//! Nothing of the items is held in RAM: a search streams them from flash. No
//! word of flash is written twice between erases, so any [`NorFlash`] will do.
//!
//! ```
//! # use core::convert::Infallible;
//! # use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
//! # struct Flash(Vec<u8>);
//! # impl ErrorType for Flash { type Error = Infallible; }
//! # impl ReadNorFlash for Flash {
//! #     const READ_SIZE: usize = 1;
//! #     fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
//! #         bytes.copy_from_slice(&self.0[at as usize..][..bytes.len()]);
//! #         Ok(())
//! #     }
//! #     fn capacity(&self) -> usize { self.0.len() }
//! # }
//! # impl NorFlash for Flash {
//! #     const WRITE_SIZE: usize = 4;
//! #     const ERASE_SIZE: usize = 4096;
//! #     fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
//! #         self.0[from as usize..to as usize].fill(0xFF);
//! #         Ok(())
//! #     }
//! #     fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Infallible> {
//! #         self.0[at as usize..][..bytes.len()].copy_from_slice(bytes);
//! #         Ok(())
//! #     }
//! # }
//! # static MODEL: &[u8] = lookalike::include_model!(
//! #     concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.model"));
//! # static GALLERY: &[u8] = lookalike::include_gallery!(
//! #     concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.gallery"));
//! # let mut flash = Flash(vec![0xFF; 0x8000]);
//! use lookalike::{
//!     Embedding, F32, Gallery, GalleryFile, Matches, Model, Recognition, Store, StoreError, store,
//! };
//!
//! let model = Model::<F32>::from_bytes(MODEL)?;
//! let mut workspace = vec![0.0; model.workspace_len()];
//! let embedding = model.embed(&[128; 22 * 30 * 2], &mut workspace)?;
//!
//! // The partition of the flash that the store has to itself.
//! const REGION: core::ops::Range<u32> = 0x4000..0x8000;
//! let mut store: Store<_, 36> = match Store::open(&mut flash, REGION, &model) {
//!     Err(StoreError::OtherModel { .. }) => {
//!         // The firmware's decision: here, to start again.
//!         store::erase(&mut flash, REGION)?;
//!         Store::open(&mut flash, REGION, &model)?
//!     }
//!     result => result?,
//! };
//! // The ids below are those of the read-only items.
//! let file = GalleryFile::from_bytes(GALLERY)?;
//! store.reserve_ids(u32::try_from(file.len())?);
//! let id = store.enrol("cup", &embedding)?;
//!
//! // After a restart:
//! let mut store: Store<_, 36> = Store::open(&mut flash, REGION, &model)?;
//! store.reserve_ids(u32::try_from(file.len())?);
//! let matches: Matches<1> = store.search(&embedding)?;
//! let known = Recognition::new(matches.first().copied(), 0.5).known();
//! assert_eq!(known.map(|nearest| nearest.id), Some(id));
//! assert_eq!(store.label(id)?.as_deref(), Some("cup"));
//!
//! // A search in RAM is faster: at boot, the items are loaded into a gallery,
//! // with the file's items as one.
//! let mut gallery: Gallery<'_, 16, 36> = Gallery::new(&model, Some(file))?;
//! let mut left_out = 0;
//! store.for_each(|item| {
//!     let loaded = Embedding::from_slice(item.embedding)
//!         .map(|embedding| gallery.enrol_with_id(item.id, item.label, &embedding));
//!     if loaded != Ok(Ok(())) {
//!         left_out += 1;
//!     }
//! })?;
//! assert_eq!((left_out, gallery.label(id)), (0, Some("cup")));
//!
//! // From then on the store gives the ids, and the gallery takes them over.
//! let id = store.enrol("pen", &embedding)?;
//! gallery.enrol_with_id(id, "pen", &embedding)?;
//! assert_eq!(gallery.len(), file.len() + 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compaction;
mod error;
mod export;
mod layout;
mod recovery;
mod region;
#[cfg(test)]
mod tests;

use core::marker::PhantomData;
use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use heapless::String;

pub use error::StoreError;

use crate::gallery::{Item, MAX_LABEL};
use crate::{Code, Embedding, Encoding, F32, Matches, Model};
use layout::{Head, Layout, Slot};
use recovery::State;
use region::Region;

/// A block and a slot in it.
type Place = (u32, u32);

/// Labelled embeddings of `D` words in code `C`, for [`F32`] of `D` dimensions, in
/// a region of the flash `F`.
pub struct Store<F, const D: usize, C: Code = F32> {
    region: Region<F>,
    code: PhantomData<C>,
    fingerprint: u32,
    /// `None` after an operation that did not end well: what it has left is
    /// put in order before the next one, as after a restart.
    state: Option<State>,
    first_id: u32,
}

/// Erases a region for a new store. Everything in it is lost, and ids begin at
/// 0 again. After a power cut, erase once more.
///
/// # Errors
/// [`StoreError::Region`] unless the range is whole pages inside the flash;
/// [`StoreError::Flash`].
pub fn erase<F: NorFlash>(flash: &mut F, range: Range<u32>) -> Result<(), StoreError<F::Error>> {
    region::check_range(flash, &range)?;
    flash.erase(range.start, range.end).map_err(StoreError::Flash)
}

impl<F: NorFlash, const D: usize, C: Code> Store<F, D, C> {
    /// Bytes of a block, the unit that is erased: as many pages as three items
    /// need. 0 for a flash that is not supported.
    pub const BLOCK_LEN: u32 = match Layout::new::<F>(D) {
        Some(layout) => layout.block_len,
        None => 0,
    };

    /// Number of items that a region of `region_len` bytes holds: one block is
    /// kept free. 0 if the region is too small or the flash is not supported.
    pub const fn capacity_of(region_len: u32) -> u32 {
        match Layout::new::<F>(D) {
            Some(layout) => layout.capacity(region_len),
            None => 0,
        }
    }

    /// Opens the store in a range of addresses, and puts in order what a power
    /// cut has left. An erased region is an empty store. The flash may be lent:
    /// `&mut F` is a [`NorFlash`], too.
    ///
    /// # Errors
    /// [`StoreError::Dimension`] unless the model's embeddings have `D` words in
    /// this code; [`StoreError::Code`] if the store has another code's; [`StoreError::OtherModel`] if the store has another model's;
    /// [`StoreError::Region`] for a region that does not suit;
    /// [`StoreError::Version`] for a newer store; [`StoreError::Corrupted`] if
    /// more than one block cannot be read, which no power cut leaves;
    /// [`StoreError::Flash`]. With an error of another kind than the last,
    /// nothing in the region has changed.
    pub fn open<E: Encoding>(
        flash: F,
        range: Range<u32>,
        model: &Model<'_, E>,
    ) -> Result<Self, StoreError<F::Error>> {
        let (expected, found) = (D, model.words_in::<C>());
        if let Some(found) = found.filter(|&found| found != expected) {
            return Err(StoreError::Dimension { expected, found });
        }
        Self::open_for(flash, range, model.fingerprint())
    }

    fn open_for(
        flash: F,
        range: Range<u32>,
        fingerprint: u32,
    ) -> Result<Self, StoreError<F::Error>> {
        let region = Region::new(flash, range, D)?;
        let mut store = Store { region, code: PhantomData, fingerprint, state: None, first_id: 0 };
        store.ready()?;
        Ok(store)
    }

    /// Gives the flash back.
    pub fn close(self) -> F {
        self.region.into_flash()
    }

    /// The fingerprint of the model that made the embeddings.
    pub const fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// Number of items that the store has room for.
    pub const fn capacity(&self) -> u32 {
        self.region.layout.slots * (self.region.blocks - 1)
    }

    /// Number of items.
    ///
    /// # Errors
    /// As [`Store::for_each`].
    pub fn len(&mut self) -> Result<u32, StoreError<F::Error>> {
        Ok(self.ready()?.live)
    }

    /// Whether there is no item.
    ///
    /// # Errors
    /// As [`Store::for_each`].
    pub fn is_empty(&mut self) -> Result<bool, StoreError<F::Error>> {
        Ok(self.len()? == 0)
    }

    /// Gives no id below `first` from now on, so that ids do not meet those of
    /// a gallery file of so many items. To be called after every opening.
    pub fn reserve_ids(&mut self, first: u32) {
        self.first_id = self.first_id.max(first);
    }

    /// Adds an item and gives its id.
    ///
    /// # Errors
    /// [`StoreError::Dimension`] for an embedding of another length;
    /// [`StoreError::Label`] for a label of more than [`MAX_LABEL`] bytes;
    /// [`StoreError::Full`] with [`Store::capacity`] items; [`StoreError::Ids`]
    /// after 2^32 - 1 items; [`StoreError::Flash`] and [`StoreError::Verify`].
    /// The items are then as they were, save that after [`StoreError::Flash`]
    /// the new one may be there.
    pub fn enrol(
        &mut self,
        label: &str,
        embedding: &Embedding<'_, C>,
    ) -> Result<u32, StoreError<F::Error>> {
        let words = embedding.as_slice();
        if words.len() != D {
            return Err(StoreError::Dimension { expected: D, found: words.len() });
        }
        let mut state = self.ready()?;
        let id = state.next_id.max(self.first_id);
        let head = Head::new(id, label).ok_or(StoreError::Label)?;
        let next_id = id.checked_add(1).ok_or(StoreError::Ids)?;
        if state.live >= self.capacity() {
            return Err(StoreError::Full);
        }
        self.state = None;
        let (block, slot) = self.blank_slot(&mut state)?;
        self.region.write_item(block, slot, &head, words)?;
        state.next_id = next_id;
        state.live += 1;
        self.state = Some(state);
        Ok(id)
    }

    /// Removes an item. This takes no room, and works in a full store.
    ///
    /// # Errors
    /// [`StoreError::UnknownId`] if there is none; [`StoreError::Flash`] and
    /// [`StoreError::Verify`], the item is then still there or not.
    pub fn remove(&mut self, id: u32) -> Result<(), StoreError<F::Error>> {
        let mut state = self.ready()?;
        let ((block, slot), _) = self.find(id)?.ok_or(StoreError::UnknownId)?;
        self.state = None;
        self.region.write_removed(block, slot)?;
        state.live = state.live.saturating_sub(1);
        self.state = Some(state);
        Ok(())
    }

    /// The label of an item, if there is one with this id.
    ///
    /// # Errors
    /// As [`Store::for_each`].
    pub fn label(&mut self, id: u32) -> Result<Option<String<MAX_LABEL>>, StoreError<F::Error>> {
        self.ready()?;
        let found = self.find(id)?;
        Ok(found.and_then(|(_, head)| String::try_from(head.label()).ok()))
    }

    /// Hands over the items one by one, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Flash`]. After an operation that failed, also the errors
    /// of [`Store::open`].
    pub fn for_each(
        &mut self,
        mut visit: impl FnMut(Item<'_, C>),
    ) -> Result<(), StoreError<F::Error>> {
        self.ready()?;
        let mut embedding = [C::ZERO; D];
        self.walk(&mut embedding, |_, _, slot, embedding| {
            if let Slot::Live(head) = slot {
                visit(Item { id: head.id, label: head.label(), embedding });
            }
            false
        })?;
        Ok(())
    }

    /// The `K` items nearest to a query by squared Euclidean distance, ties by
    /// lower id. A query of another length matches nothing.
    ///
    /// Embeddings of two stages are all ranked by the second: reading an item
    /// takes longer than that.
    ///
    /// # Errors
    /// As [`Store::for_each`].
    pub fn search<const K: usize>(
        &mut self,
        query: &Embedding<'_, C>,
    ) -> Result<Matches<K>, StoreError<F::Error>> {
        let query = query.as_slice();
        let mut result = Ok(());
        let matches = Matches::found_by(|mut nearest| {
            if query.len() == D {
                result = self.for_each(|item| {
                    nearest.insert(item.id, C::key(query, item.embedding));
                });
            }
            nearest.finish(|id| id, |key| C::distance(key, D))
        });
        result.map(|()| matches)
    }

    /// Makes the room of removed items free now, so that no later enrolment
    /// has to wait for an erase. Enrolment does by itself what it needs of this.
    ///
    /// # Errors
    /// [`StoreError::Flash`] and [`StoreError::Verify`]; the items are as they were.
    pub fn compact(&mut self) -> Result<(), StoreError<F::Error>> {
        let mut state = self.ready()?;
        self.state = None;
        while let Some((block, header)) = self.oldest_with_dead_slots()? {
            self.compact_block(&mut state, block, &header)?;
        }
        self.state = Some(state);
        Ok(())
    }

    fn find(&mut self, id: u32) -> Result<Option<(Place, Head)>, StoreError<F::Error>> {
        let mut found = None;
        self.walk(&mut [], |block, slot, content, _| {
            if let Slot::Live(head) = content
                && head.id == id
            {
                found = Some(((block, slot), head));
            }
            found.is_some()
        })?;
        Ok(found)
    }

    /// Goes over the slots of all blocks in use until `visit` gives true.
    fn walk(
        &mut self,
        embedding: &mut [C::Word],
        mut visit: impl FnMut(u32, u32, Slot, &[C::Word]) -> bool,
    ) -> Result<(), StoreError<F::Error>> {
        for block in 0..self.region.blocks {
            if self.region.header(block)?.is_none() {
                continue;
            }
            for slot in 0..self.region.layout.slots {
                let content = self.region.slot(block, slot, embedding)?;
                if visit(block, slot, content, embedding) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
