//! The interface as C calls it: use, and misuse, which gives a status each.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use lookalike_c::*;
use proptest::prelude::*;

static MODEL: &[u8] = lookalike::include_model!("../../example/assets/digits.model");
static GALLERY: &[u8] = lookalike::include_gallery!("../../example/assets/digits.gallery");
static IMAGES: &[u8] = include_bytes!("../../example/assets/digits.images");

const IMAGE: usize = 28 * 28;
const DIMENSION: usize = 64;
const FILE_ITEMS: u32 = 50;

/// Calls a function of the interface with pointers to live memory, or with
/// ones that it must refuse.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: each pointer is null, misaligned, or points to memory of the
        // length given that nothing else uses during the call.
        unsafe { $function($($argument),*) }
    };
}

mod refusals;
mod uses;

/// A handle's memory as C declares it on the stack, with what was there before.
fn handle<T>() -> Box<T> {
    let mut memory = Box::new(MaybeUninit::<T>::uninit());
    // SAFETY: handles are arrays of numbers, which any bits suit.
    unsafe {
        memory.as_mut_ptr().cast::<u8>().write_bytes(0xA5, size_of::<T>());
        memory.assume_init()
    }
}

fn address(bytes: &[u8]) -> *const c_void {
    bytes.as_ptr().cast()
}

fn open_model() -> Box<Model> {
    let mut model = handle();
    let status = call!(lookalike_model_open(&mut *model, address(MODEL), MODEL.len()));
    assert_eq!(status, Status::Ok);
    model
}

/// A workspace that suffices, at an aligned address.
fn workspace(model: &Model) -> Vec<u32> {
    vec![0xFFFF_FFFF; dimensions(model).workspace_bytes / 4]
}

fn dimensions(model: &Model) -> Dimensions {
    let mut out = MaybeUninit::uninit();
    assert_eq!(call!(lookalike_model_dimensions(model, out.as_mut_ptr())), Status::Ok);
    // SAFETY: the call has written it.
    unsafe { out.assume_init() }
}

/// The embedding of one of the images.
fn embedding(model: &Model, image: usize) -> Vec<u32> {
    let mut workspace = workspace(model);
    let image = &IMAGES[image * IMAGE..][..IMAGE];
    let mut out = ptr::null();
    let status = call!(lookalike_model_embed(
        model,
        image.as_ptr(),
        IMAGE,
        workspace.as_mut_ptr().cast(),
        4 * workspace.len(),
        &mut out
    ));
    assert_eq!(status, Status::Ok);
    assert_eq!(out, workspace.as_ptr());
    workspace.truncate(dimensions(model).embedding_words);
    workspace
}

/// An open gallery, with the memory that it uses.
struct Opened {
    gallery: Box<Gallery>,
    memory: Vec<u32>,
}

fn open_gallery(model: &Model, file: &[u8], capacity: usize) -> Opened {
    let mut gallery = handle();
    let mut memory = vec![0xFFFF_FFFF; capacity * (SLOT_WORDS + DIMENSION)];
    let status = call!(lookalike_gallery_open(
        &mut *gallery,
        model,
        if file.is_empty() { ptr::null() } else { address(file) },
        file.len(),
        if capacity == 0 { ptr::null_mut() } else { memory.as_mut_ptr() },
        4 * memory.len()
    ));
    assert_eq!(status, Status::Ok);
    Opened { gallery, memory }
}

impl Opened {
    fn enrol(&mut self, label: &CStr, embedding: &[u32]) -> Result<u32, Status> {
        let mut id = u32::MAX;
        let (values, len) = (embedding.as_ptr(), embedding.len());
        match call!(lookalike_gallery_enrol(
            &mut *self.gallery,
            label.as_ptr(),
            values,
            len,
            &mut id
        )) {
            Status::Ok => Ok(id),
            status => {
                assert_eq!(id, u32::MAX, "an error leaves outputs as they were");
                Err(status)
            }
        }
    }

    fn remove(&mut self, id: u32) -> Status {
        call!(lookalike_gallery_remove(&mut *self.gallery, id))
    }

    fn label(&self, id: u32) -> Result<String, Status> {
        let mut buffer = [0x7F as c_char; LABEL_BYTES];
        let (start, len) = (buffer.as_mut_ptr(), buffer.len());
        match call!(lookalike_gallery_label(&*self.gallery, id, start, len)) {
            Status::Ok => {
                // SAFETY: the call has written a C string.
                let label = unsafe { CStr::from_ptr(buffer.as_ptr()) };
                Ok(label.to_str().unwrap().into())
            }
            status => Err(status),
        }
    }

    fn search(&self, query: &[u32], k: usize) -> Result<Vec<Match>, Status> {
        let mut matches = vec![Match::default(); k];
        let mut found = usize::MAX;
        let status = call!(lookalike_gallery_search(
            &*self.gallery,
            query.as_ptr(),
            query.len(),
            matches.as_mut_ptr(),
            k,
            &mut found
        ));
        if status != Status::Ok {
            return Err(status);
        }
        matches.truncate(found);
        Ok(matches)
    }

    fn len(&self) -> usize {
        let mut len = usize::MAX;
        assert_eq!(call!(lookalike_gallery_len(&*self.gallery, &mut len)), Status::Ok);
        len
    }

    fn capacity(&self) -> usize {
        let mut capacity = usize::MAX;
        let status = call!(lookalike_gallery_capacity(&*self.gallery, &mut capacity));
        assert_eq!(status, Status::Ok);
        capacity
    }
}
