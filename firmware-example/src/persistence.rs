//! What is enrolled outlives a restart: the store keeps it in flash, and at
//! boot it is loaded into the gallery.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlashErrorKind;
use lookalike::{Embedding, GalleryError, Model, Store, StoreError, store};

use crate::app::DeviceGallery;
use crate::parameters::{Code, Parameters, WORDS};
use crate::ram_flash::{LEN, RamFlash};

/// The partition of the flash that the store has to itself: here all of it.
const REGION: Range<u32> = 0..LEN as u32;

/// Enrolments in flash.
pub type Enrolments = Store<RamFlash, WORDS, Code>;
/// What its operations fail with.
pub type Error = StoreError<NorFlashErrorKind>;

/// Opens the store, with ids from `first_id` on. Flash that holds no store of
/// this model, as after the first power-on, is erased.
pub fn open(
    mut flash: RamFlash,
    model: &Model<'_, Parameters>,
    first_id: u32,
) -> Result<Enrolments, Error> {
    match Store::<_, WORDS, Code>::open(&mut flash, REGION, model) {
        Ok(_) => {}
        Err(StoreError::Flash(error)) => return Err(StoreError::Flash(error)),
        Err(_) => store::erase(&mut flash, REGION)?,
    }
    let mut enrolments = Store::open(flash, REGION, model)?;
    enrolments.reserve_ids(first_id);
    Ok(enrolments)
}

/// Enrols every stored item under its id; gives the number of those that the
/// gallery did not take.
pub fn load(enrolments: &mut Enrolments, gallery: &mut DeviceGallery) -> Result<u32, Error> {
    let mut left_out = 0;
    enrolments.for_each(|item| {
        let loaded: Option<Result<(), GalleryError>> = Embedding::from_slice(item.embedding)
            .ok()
            .map(|embedding| gallery.enrol_with_id(item.id, item.label, &embedding));
        left_out += u32::from(loaded != Some(Ok(())));
    })?;
    Ok(left_out)
}
