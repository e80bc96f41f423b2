//! Galleries.

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;

use lookalike::gallery::{MAX_LABEL, SliceGallery, Slot};
use lookalike::{Code, Embedding, Encoding, F32, GalleryFile, U8};

use crate::handle::{self, Handle};
use crate::memory::{Output, Span, copy_text};
use crate::{Model, Status, model};

/// Bytes of a buffer that any enrolled item's label fits, its closing 0 included.
pub const LABEL_BYTES: usize = 33;

const _: () = assert!(LABEL_BYTES == MAX_LABEL + 1);

/// Words of 4 bytes that an enrolled item takes beside its embedding.
pub const SLOT_WORDS: usize = 10;

const _: () = assert!(SLOT_WORDS * 4 == size_of::<Slot>());

/// An open gallery: the items of a read-only file and those enrolled since,
/// searched as one.
///
/// Ids are stable: the file's items have 0 to n - 1, enrolled items count on
/// from n, and the id of a removed item is not used again.
#[repr(C)]
pub struct Gallery {
    // What the state leaves free stays as it was: perhaps not initialised.
    opaque: [MaybeUninit<usize>; 20],
}

/// What a [`Gallery`] holds.
pub(crate) struct State {
    items: Items,
    /// The caller's memory, which is borrowed by the gallery.
    memory: Span<u32>,
}

/// The embeddings of a floating-point or of a quantised model.
enum Items {
    F32(SliceGallery<'static, 'static, F32>),
    U8(SliceGallery<'static, 'static, U8>),
}

/// Does the same with either gallery.
macro_rules! with_items {
    ($items:expr, $gallery:ident => $result:expr) => {
        match $items {
            Items::F32($gallery) => $result,
            Items::U8($gallery) => $result,
        }
    };
}

/// Makes a gallery in the caller's memory.
///
/// # Safety
/// The memory can be written and the file read as long as the gallery is used,
/// they are apart, and a word of zeros is one of the code.
unsafe fn make<E: Encoding, C: Code>(
    model: &lookalike::Model<'_, E>,
    file: &'static [u8],
    memory: Span<u32>,
    words: usize,
) -> Result<SliceGallery<'static, 'static, C>, Status>
where
    C::Word: Default,
{
    let file = if file.is_empty() { None } else { Some(GalleryFile::<C>::from_bytes(file)?) };
    let capacity = memory.len().checked_div(SLOT_WORDS + words).unwrap_or(0);
    let (slots, embeddings) = memory.split_at(capacity * SLOT_WORDS);
    // SAFETY: the caller's promise; the parts are apart from each other.
    let (slots, embeddings) =
        unsafe { (slots.cast().fill(&Slot::EMPTY), embeddings.cast().fill(&C::Word::default())) };
    Ok(SliceGallery::new(model, file, slots, embeddings)?)
}

/// # Safety
/// As [`Span::slice`].
unsafe fn view<'a, C: Code>(words: Span<u32>) -> Result<Embedding<'a, C>, Status> {
    // SAFETY: the caller's promise; any bits are a word of each code.
    Ok(Embedding::from_slice(unsafe { words.cast::<C::Word>().slice() })?)
}

impl Handle for Gallery {
    type State = State;

    const KIND: usize = 0x4C4B_4761;
}

const _: () = assert!(handle::fits::<Gallery>());

/// One item that a search found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Match {
    /// The item's id.
    pub id: u32,
    /// Squared Euclidean distance to the query, from 0 to 4.
    pub distance: f32,
}

// Searches write the library's own type into the caller's array.
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Match>() == size_of::<lookalike::Match>());
    assert!(align_of::<Match>() == align_of::<lookalike::Match>());
    assert!(offset_of!(Match, id) == offset_of!(lookalike::Match, id));
    assert!(offset_of!(Match, distance) == offset_of!(lookalike::Match, distance));
};

/// Opens a gallery of a model's embeddings. A gallery file, if there is one,
/// lies at an address that is a multiple of 4 and is checked; a null pointer
/// and 0 bytes stand for none.
///
/// Enrolled items are kept in `memory`, an array of
/// `LOOKALIKE_GALLERY_WORDS(capacity, embedding_words)` words; a null pointer and
/// 0 bytes stand for a gallery that cannot grow. File and memory belong to the
/// gallery while it is in use, the model does not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_open(
    gallery: *mut Gallery,
    model: *const Model,
    file: *const c_void,
    file_bytes: usize,
    memory: *mut u32,
    memory_bytes: usize,
) -> Status {
    Status::of(|| {
        let open = || {
            let file = Span::optional(file.cast::<u8>(), file_bytes)?;
            let memory = Span::optional(memory, memory_bytes / size_of::<u32>())?;
            memory.disjoint(file)?;
            // SAFETY: the caller keeps to the header's contract.
            let (model, file) = unsafe { (handle::get(model)?, file.slice()) };
            let items = match model {
                model::State::F32(model) => {
                    let words = model.network().embedding_len();
                    // SAFETY: as above; the memory is apart from the file.
                    Items::F32(unsafe { make(model, file, memory, words)? })
                }
                model::State::Int8(model) => {
                    let words = U8::words(model.network().embedding_len());
                    // SAFETY: as above; the memory is apart from the file.
                    Items::U8(unsafe { make(model, file, memory, words)? })
                }
            };
            Ok(State { items, memory })
        };
        // SAFETY: as above.
        unsafe { handle::open(gallery, open) }
    })
}

/// Number of items, the file's included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_len(gallery: *const Gallery, len: *mut usize) -> Status {
    Status::of(|| {
        let len = Output::new(len)?;
        // SAFETY: the caller keeps to the header's contract.
        let items = unsafe { &handle::get(gallery)?.items };
        // SAFETY: as above.
        unsafe { len.write(with_items!(items, gallery => gallery.len())) };
        Ok(())
    })
}

/// How many items can be enrolled at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_capacity(
    gallery: *const Gallery,
    capacity: *mut usize,
) -> Status {
    Status::of(|| {
        let capacity = Output::new(capacity)?;
        // SAFETY: the caller keeps to the header's contract.
        let items = unsafe { &handle::get(gallery)?.items };
        // SAFETY: as above.
        unsafe { capacity.write(with_items!(items, gallery => gallery.capacity())) };
        Ok(())
    })
}

/// Adds an item and gives its id. The label is UTF-8 of at most 32 bytes and a
/// closing 0, the embedding one of the gallery's model; both are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_enrol(
    gallery: *mut Gallery,
    label: *const c_char,
    embedding: *const u32,
    embedding_words: usize,
    id: *mut u32,
) -> Status {
    Status::of(|| {
        let words = Span::new(embedding, embedding_words)?;
        let id = Output::new(id)?;
        // SAFETY: the caller keeps to the header's contract.
        let label = unsafe { copy_text::<LABEL_BYTES>(label)? };
        // SAFETY: as above.
        let State { items, memory } = unsafe { handle::get_mut(gallery)? };
        words.disjoint(*memory)?;
        let enrolled = with_items!(items, gallery => {
            // SAFETY: as above; the embedding is apart from the gallery's memory.
            let embedding = unsafe { view(words)? };
            gallery.enrol(label.as_str()?, &embedding)?
        });
        // SAFETY: as above.
        unsafe { id.write(enrolled) };
        Ok(())
    })
}

/// Removes an enrolled item.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_remove(gallery: *mut Gallery, id: u32) -> Status {
    Status::of(|| {
        // SAFETY: the caller keeps to the header's contract.
        let items = unsafe { &mut handle::get_mut(gallery)?.items };
        Ok(with_items!(items, gallery => gallery.remove(id))?)
    })
}

/// Copies the label of an item, with a closing 0. `LOOKALIKE_LABEL_BYTES`
/// suffice for any enrolled item; a gallery file may hold longer labels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_label(
    gallery: *const Gallery,
    id: u32,
    buffer: *mut c_char,
    buffer_bytes: usize,
) -> Status {
    Status::of(|| {
        let buffer = Span::new(buffer.cast::<u8>(), buffer_bytes)?;
        // SAFETY: the caller keeps to the header's contract.
        let State { items, memory } = unsafe { handle::get(gallery)? };
        buffer.disjoint(*memory)?;
        let label = with_items!(items, gallery => gallery.label(id)).ok_or(Status::UnknownId)?;
        if label.len() >= buffer.len() {
            return Err(Status::Buffer);
        }
        // SAFETY: as above; the buffer is apart from the gallery's memory.
        let buffer = unsafe { buffer.slice_mut() };
        for (to, from) in buffer.iter_mut().zip(label.bytes().chain([0])) {
            *to = from;
        }
        Ok(())
    })
}

/// Finds the items nearest to an embedding: as many as there are, but at most
/// `capacity`, nearest first, ties by lower id. Writes them to `matches` and
/// their number to `found`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lookalike_gallery_search(
    gallery: *const Gallery,
    embedding: *const u32,
    embedding_words: usize,
    matches: *mut Match,
    capacity: usize,
    found: *mut usize,
) -> Status {
    Status::of(|| {
        let words = Span::new(embedding, embedding_words)?;
        let matches = Span::new(matches, capacity)?;
        matches.disjoint(words)?;
        let found = Output::new(found)?;
        // SAFETY: the caller keeps to the header's contract.
        let State { items, memory } = unsafe { handle::get(gallery)? };
        matches.disjoint(*memory)?;
        if words.len() != with_items!(items, gallery => gallery.words()) {
            return Err(Status::Dimension);
        }
        // SAFETY: as above; any bits are a match, and the matches are apart
        // from the embedding and from the gallery's memory.
        let matches = unsafe { matches.cast().slice_mut() };
        let nearest = with_items!(items, gallery => {
            // SAFETY: as above.
            let embedding = unsafe { view(words)? };
            gallery.search(&embedding, matches)
        });
        // SAFETY: as above.
        unsafe { found.write(nearest.as_slice().len()) };
        Ok(())
    })
}
