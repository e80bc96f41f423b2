//! Sequences of calls of the C interface, with arguments that suit and with
//! ones that it must refuse.
//!
//! The header's contract is kept: pointers that are neither null, misaligned
//! nor too long point to memory of the length given, which lives as long as
//! what was opened with it.

use std::ffi::{CStr, c_char};
use std::ptr;

use arbitrary::{Result, Unstructured};
use lookalike_c::*;

use crate::{F32_GALLERY, F32_MODEL, IMAGES, INT8_MODEL};

/// Bytes that no memory has.
const TOO_LONG: usize = usize::MAX - 64;
/// Words of a workspace that suffices for each of the models.
const WORKSPACE: usize = 8 << 10;
const MOST_MATCHES: usize = 8;

/// Calls a function with pointers to live memory or with ones to be refused.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the module's contract.
        unsafe { $function($($argument),*) }
    };
}

/// Everything that C would have declared.
struct Program {
    models: [Box<Model>; 2],
    galleries: [Box<Gallery>; 2],
    /// Files and memory of galleries, kept until the handles are gone.
    files: Vec<Vec<u128>>,
    memory: Vec<Vec<u32>>,
    workspace: Vec<u32>,
    embedding: Vec<u32>,
}

/// Calls what the bytes say.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut program = Program {
        models: [handle(), handle()],
        galleries: [handle(), handle()],
        files: Vec::new(),
        memory: Vec::new(),
        workspace: vec![0xA5A5_A5A5; WORKSPACE],
        embedding: vec![0; 64],
    };
    while !input.is_empty() {
        if program.step(&mut input).is_err() {
            break;
        }
    }
}

/// Memory for a handle, with something in it.
fn handle<T>() -> Box<T> {
    let mut memory = Box::<T>::new_uninit();
    // SAFETY: handles are arrays of numbers, which any bits suit.
    unsafe {
        memory.as_mut_ptr().cast::<u8>().write_bytes(0xA5, size_of::<T>());
        memory.assume_init()
    }
}

/// A pointer and a length, good or to be refused.
fn maybe_bad<T>(
    input: &mut Unstructured<'_>,
    start: *mut T,
    len: usize,
) -> Result<(*mut T, usize)> {
    Ok(match input.int_in_range(0..=15)? {
        0 => (ptr::null_mut(), len),
        1 if align_of::<T>() > 1 => (start.wrapping_byte_add(1), len),
        2 => (start, TOO_LONG),
        3 => (start, input.int_in_range(0..=len)?),
        _ => (start, len),
    })
}

/// [`maybe_bad`] of something that has no length.
fn maybe_null<T>(input: &mut Unstructured<'_>, place: *mut T) -> Result<*mut T> {
    Ok(if input.ratio(1, 16)? { ptr::null_mut() } else { place })
}

impl Program {
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let model: *mut Model = &mut *self.models[input.choose_index(2)?];
        let model = maybe_null(input, model)?;
        let gallery: *mut Gallery = &mut *self.galleries[input.choose_index(2)?];
        let gallery = maybe_null(input, gallery)?;
        let status = match input.int_in_range(0..=13)? {
            0 | 1 => self.open_model(input, model)?,
            2 | 3 => self.embed(input, model)?,
            4 => {
                let (start, bytes) = maybe_bad(input, self.workspace.as_mut_ptr(), 4 * WORKSPACE)?;
                call!(lookalike_model_self_test(model, start.cast(), bytes))
            }
            5 => {
                let mut found = Acceptance {
                    threshold: -1.0,
                    false_accept_rate: -1.0,
                    rule: Rule::NearestItem,
                };
                let status = call!(lookalike_model_acceptance(model, &mut found));
                assert_eq!(status == Status::Ok, (0.0..=4.0).contains(&found.threshold));
                status
            }
            6 | 7 => self.open_gallery(input, gallery, model)?,
            8 | 9 => self.enrol(input, gallery)?,
            10 => {
                let id = input.int_in_range(0..=63)?;
                let before = self.len(gallery);
                let status = call!(lookalike_gallery_remove(gallery, id));
                let gone = usize::from(status == Status::Ok);
                assert_eq!(self.len(gallery), before.map(|len| len - gone));
                status
            }
            11 => {
                let id = input.int_in_range(0..=63)?;
                let mut label = [0x7F as c_char; LABEL_BYTES];
                let (start, bytes) = maybe_bad(input, label.as_mut_ptr(), LABEL_BYTES)?;
                let status = call!(lookalike_gallery_label(gallery, id, start, bytes));
                // SAFETY: the call has written a C string.
                let text = (status == Status::Ok).then(|| unsafe { CStr::from_ptr(start) });
                assert!(text.is_none_or(|text| text.to_str().is_ok()));
                status
            }
            12 => self.search(input, gallery)?,
            _ => {
                // A handle that was copied is not open.
                let mut copy = handle::<Gallery>();
                if !gallery.is_null() {
                    // SAFETY: both are memory for a handle.
                    unsafe { ptr::copy_nonoverlapping(gallery, &mut *copy, 1) };
                }
                let status = call!(lookalike_gallery_remove(&mut *copy, 0));
                assert_eq!(status, Status::Handle);
                // A gallery is no model: only its first word is looked at.
                let start = self.workspace.as_mut_ptr().cast();
                call!(lookalike_model_self_test(gallery.cast(), start, 4 * WORKSPACE))
            }
        };
        // SAFETY: messages are C strings in static memory.
        let message = unsafe { CStr::from_ptr(lookalike_status_message(status as i32)) };
        assert!(message.to_str().is_ok_and(|message| !message.is_empty()));
        Ok(())
    }

    /// A copy of `bytes` at an aligned address, cut off or damaged at times.
    fn file(&mut self, input: &mut Unstructured<'_>, bytes: &[u8]) -> Result<(*mut u32, usize)> {
        // One byte more than the file, which an address that is off by one takes.
        let mut copy = vec![0u128; bytes.len() / 16 + 1];
        let start = copy.as_mut_ptr().cast::<u8>();
        let mut len = bytes.len();
        // SAFETY: the copy has room for all of them.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, len) };
        match input.int_in_range(0..=9)? {
            0 => len = input.int_in_range(0..=len)?,
            1 => {
                let place = input.choose_index(len)?;
                // SAFETY: within the copy.
                unsafe { *start.add(place) ^= 1 << input.int_in_range(0..=7)? };
            }
            _ => {}
        }
        self.files.push(copy);
        maybe_bad(input, start.cast(), len)
    }

    fn open_model(&mut self, input: &mut Unstructured<'_>, model: *mut Model) -> Result<Status> {
        let bytes = *input.choose(&[F32_MODEL, INT8_MODEL])?;
        let (start, len) = self.file(input, bytes)?;
        let status = call!(lookalike_model_open(model, start.cast(), len));
        if let Some(found) = dimensions(model) {
            assert_eq!(status, Status::Ok);
            assert!(found.workspace_bytes <= 4 * WORKSPACE);
        }
        Ok(status)
    }

    fn embed(&mut self, input: &mut Unstructured<'_>, model: *mut Model) -> Result<Status> {
        let bytes = dimensions(model).map_or(784, |found| found.image_bytes);
        let image = IMAGES.as_ptr().cast_mut().wrapping_add(input.int_in_range(0..=2000)?);
        let (mut image, bytes) = maybe_bad(input, image, bytes)?;
        let start = self.workspace.as_mut_ptr();
        if input.ratio(1, 16)? {
            // An image in the workspace is refused.
            image = start.cast();
        }
        let (start, workspace_bytes) = maybe_bad(input, start, 4 * WORKSPACE)?;
        let mut embedding = ptr::null();
        let out = maybe_null(input, &mut embedding)?;
        let status =
            call!(lookalike_model_embed(model, image, bytes, start.cast(), workspace_bytes, out));
        if status == Status::Ok {
            let words = dimensions(model).expect("an open model").embedding_words;
            // SAFETY: the embedding lies in the workspace until that is used again.
            self.embedding = unsafe { std::slice::from_raw_parts(embedding, words) }.to_vec();
        }
        Ok(status)
    }

    fn open_gallery(
        &mut self,
        input: &mut Unstructured<'_>,
        gallery: *mut Gallery,
        model: *const Model,
    ) -> Result<Status> {
        let bytes = *input.choose(&[&[] as &[u8], F32_GALLERY, F32_GALLERY])?;
        let (start, len) = match bytes {
            [] => (ptr::null_mut(), 0),
            bytes => self.file(input, bytes)?,
        };
        let mut memory = vec![0xA5A5_A5A5; input.int_in_range(0..=400)?];
        let words = memory.len();
        let (mut place, memory_bytes) = maybe_bad(input, memory.as_mut_ptr(), 4 * words)?;
        if input.ratio(1, 16)? && 4 * words <= len {
            // Memory in the file is refused.
            place = start;
        }
        self.memory.push(memory);
        let status =
            call!(lookalike_gallery_open(gallery, model, start.cast(), len, place, memory_bytes));
        Ok(status)
    }

    fn enrol(&mut self, input: &mut Unstructured<'_>, gallery: *mut Gallery) -> Result<Status> {
        // With a 0 or, for a label that is too long, without.
        let mut label = [b'x'; LABEL_BYTES];
        let len = input.int_in_range(0..=LABEL_BYTES)?;
        label[..len].copy_from_slice(input.bytes(len)?);
        if let Some(end) = label.get_mut(len) {
            *end = 0;
        }
        let (start, words) = maybe_bad(input, self.embedding.as_mut_ptr(), self.embedding.len())?;
        let mut id = u32::MAX;
        let out = maybe_null(input, &mut id)?;
        let text = maybe_null(input, label.as_mut_ptr().cast::<c_char>())?;
        let before = self.len(gallery);
        let status = call!(lookalike_gallery_enrol(gallery, text, start, words, out));
        let new = usize::from(status == Status::Ok);
        assert_eq!(self.len(gallery), before.map(|len| len + new));
        assert_eq!(id == u32::MAX, status != Status::Ok);
        Ok(status)
    }

    fn search(&mut self, input: &mut Unstructured<'_>, gallery: *mut Gallery) -> Result<Status> {
        let (start, words) = maybe_bad(input, self.embedding.as_mut_ptr(), self.embedding.len())?;
        let mut matches = [Match::default(); MOST_MATCHES];
        let (place, capacity) = maybe_bad(input, matches.as_mut_ptr(), MOST_MATCHES)?;
        let mut found = usize::MAX;
        let out = maybe_null(input, &mut found)?;
        let status = call!(lookalike_gallery_search(gallery, start, words, place, capacity, out));
        if status == Status::Ok {
            let len = self.len(gallery).expect("an open gallery");
            assert_eq!(found, len.min(capacity));
            let found = &matches[..found];
            assert!(found.is_sorted_by(|a, b| (a.distance, a.id) < (b.distance, b.id)));
        } else {
            assert_eq!(found, usize::MAX, "an error leaves outputs as they were");
        }
        Ok(status)
    }

    /// Items of a gallery; `None` of a handle that is not open.
    fn len(&self, gallery: *const Gallery) -> Option<usize> {
        let (mut len, mut capacity) = (usize::MAX, usize::MAX);
        let status = call!(lookalike_gallery_len(gallery, &mut len));
        assert_eq!(status, call!(lookalike_gallery_capacity(gallery, &mut capacity)));
        assert!(matches!(status, Status::Ok | Status::Handle | Status::Null));
        (status == Status::Ok).then_some(len)
    }
}

fn dimensions(model: *const Model) -> Option<Dimensions> {
    let mut found = Dimensions {
        channels: 0,
        height: 0,
        width: 0,
        image_bytes: 0,
        workspace_bytes: 0,
        embedding_words: 0,
        fingerprint: 0,
    };
    let status = call!(lookalike_model_dimensions(model, &mut found));
    (status == Status::Ok).then_some(found)
}
