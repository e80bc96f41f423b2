//! The same calls with quantised models.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

use lookalike::{Embedding, Int8, U8};
use lookalike_c::*;

static MODELS: [&[u8]; 2] = [
    lookalike::include_model!("../../core/tests/fixtures/v1.int8.compact.model"),
    lookalike::include_model!("../../core/tests/fixtures/v1.int8.fast.model"),
];
/// A gallery of floating-point embeddings.
static GALLERY: &[u8] = lookalike::include_gallery!("../../core/tests/fixtures/v1.gallery");

/// Calls a function of the interface with pointers to live memory.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: each pointer is null or points to memory of the length given
        // that nothing else uses during the call.
        unsafe { $function($($argument),*) }
    };
}

/// A handle's memory, all zeros.
fn handle<T>() -> Box<T> {
    // SAFETY: handles are arrays of numbers, which any bits suit.
    Box::new(unsafe { MaybeUninit::zeroed().assume_init() })
}

fn address(bytes: &[u8]) -> *const c_void {
    bytes.as_ptr().cast()
}

fn embed(model: &Model, image: &[u8], workspace: &mut [u32]) -> Vec<u32> {
    let mut out = ptr::null();
    let (start, bytes) = (workspace.as_mut_ptr(), size_of_val(workspace));
    let status = call!(lookalike_model_embed(
        model,
        image.as_ptr(),
        image.len(),
        start.cast(),
        bytes,
        &mut out
    ));
    assert_eq!((status, out), (Status::Ok, workspace.as_ptr()));
    workspace.to_vec()
}

#[test]
fn answers_are_those_of_the_library() {
    for bytes in MODELS {
        let expected = lookalike::Model::<Int8>::from_bytes(bytes).unwrap();
        let mut model = handle::<Model>();
        let status = call!(lookalike_model_open(&mut *model, address(bytes), bytes.len()));
        assert_eq!(status, Status::Ok);
        let mut dimensions = MaybeUninit::uninit();
        let status = call!(lookalike_model_dimensions(&*model, dimensions.as_mut_ptr()));
        assert_eq!(status, Status::Ok);
        // SAFETY: the call has written it.
        let dimensions: Dimensions = unsafe { dimensions.assume_init() };
        let words = U8::words(expected.network().embedding_len());
        assert_eq!(dimensions.workspace_bytes, 4 * expected.workspace_len());
        assert_eq!(dimensions.embedding_words, words);
        assert_eq!(dimensions.fingerprint, expected.fingerprint());

        let mut workspace = vec![0; dimensions.workspace_bytes / 4];
        let (start, bytes) = (workspace.as_mut_ptr(), dimensions.workspace_bytes);
        let status = call!(lookalike_model_self_test(&*model, start.cast(), bytes));
        assert_eq!(status, Status::Ok);
        let mut acceptance = MaybeUninit::uninit();
        let status = call!(lookalike_model_acceptance(&*model, acceptance.as_mut_ptr()));
        assert_eq!(status == Status::Ok, expected.acceptance().is_some());

        let mut gallery = handle::<Gallery>();
        let mut memory = vec![0u32; 3 * (SLOT_WORDS + words)];
        let (start, bytes) = (memory.as_mut_ptr(), 4 * memory.len());
        // The gallery's code is not the model's.
        let status = call!(lookalike_gallery_open(
            &mut *gallery,
            &*model,
            address(GALLERY),
            GALLERY.len(),
            start,
            bytes
        ));
        assert_eq!(status, Status::Encoding);
        let status =
            call!(lookalike_gallery_open(&mut *gallery, &*model, ptr::null(), 0, start, bytes));
        assert_eq!(status, Status::Ok);
        let mut capacity = 0;
        assert_eq!(call!(lookalike_gallery_capacity(&*gallery, &mut capacity)), Status::Ok);
        assert_eq!(capacity, 3);

        let mut expected_gallery =
            lookalike::Gallery::<'_, 3, 7, U8>::new(&expected, None).unwrap();
        let mut query = Vec::new();
        for (step, id) in [3usize, 5, 7].into_iter().zip(0..) {
            let image: Vec<u8> = (0..dimensions.image_bytes).map(|i| (i * step) as u8).collect();
            let mut embedding = embed(&model, &image, &mut workspace);
            embedding.truncate(words);
            let mut own = vec![0; expected.workspace_len()];
            let own = expected.embed(&image, &mut own).unwrap();
            assert_eq!(embedding, own.as_slice());
            let mut found = u32::MAX;
            let (label, start) = (c"cup".as_ptr(), embedding.as_ptr());
            let status =
                call!(lookalike_gallery_enrol(&mut *gallery, label, start, words, &mut found));
            assert_eq!((status, found), (Status::Ok, id));
            expected_gallery.enrol("cup", &own).unwrap();
            query = embedding;
        }
        let mut matches = [Match::default(); 3];
        let (mut len, start) = (0, matches.as_mut_ptr());
        let status =
            call!(lookalike_gallery_search(&*gallery, query.as_ptr(), words, start, 3, &mut len));
        assert_eq!((status, len), (Status::Ok, 3));
        let found: lookalike::Matches<3> =
            expected_gallery.search(&Embedding::from_slice(&query).unwrap());
        for (found, expected) in matches.iter().zip(&found) {
            assert_eq!((found.id, found.distance), (expected.id, expected.distance));
        }

        // Words that are no embedding, too few of them, and a label's end.
        query[0] ^= 1;
        let status =
            call!(lookalike_gallery_search(&*gallery, query.as_ptr(), words, start, 3, &mut len));
        assert_eq!(status, Status::NotNormalized);
        let status =
            call!(lookalike_gallery_search(&*gallery, query.as_ptr(), 6, start, 3, &mut len));
        assert_eq!(status, Status::Dimension);
        assert_eq!(call!(lookalike_gallery_remove(&mut *gallery, 1)), Status::Ok);
        assert_eq!(call!(lookalike_gallery_remove(&mut *gallery, 1)), Status::UnknownId);
        assert_eq!(call!(lookalike_gallery_len(&*gallery, &mut len)), Status::Ok);
        assert_eq!(len, 2);
        let mut buffer = [0; LABEL_BYTES];
        let status =
            call!(lookalike_gallery_label(&*gallery, 2, buffer.as_mut_ptr(), buffer.len()));
        assert_eq!(status, Status::Ok);
        let label: Vec<u8> = buffer[..4].iter().map(|byte| *byte as u8).collect();
        assert_eq!(label, b"cup\0");
    }
}
