//! What the functions refuse, with a status each.

use super::*;

#[test]
fn null_pointers_are_refused() {
    let model = open_model();
    let query = embedding(&model, 0);
    let mut opened = open_gallery(&model, GALLERY, 1);
    let gallery = &mut *opened.gallery;
    let mut workspace = workspace(&model);
    let (work, work_bytes) = (workspace.as_mut_ptr().cast(), 4 * workspace.len());
    let mut dimensions = MaybeUninit::uninit();
    let mut acceptance = MaybeUninit::uninit();
    let (mut out, mut len, mut id) = (ptr::null(), 0, 0);
    let mut label = [0 as c_char; LABEL_BYTES];
    let mut matches = [Match::default(); 2];
    let (file, values, image) = (address(MODEL), query.as_ptr(), IMAGES.as_ptr());
    let (null, null_mut) = (ptr::null(), ptr::null_mut());
    let mut other = handle::<Model>();
    let mut closed = handle::<Gallery>();
    let statuses = [
        call!(lookalike_model_open(ptr::null_mut(), file, MODEL.len())),
        call!(lookalike_model_open(&mut *other, null, MODEL.len())),
        call!(lookalike_model_open(&mut *other, null, 0)),
        call!(lookalike_model_dimensions(ptr::null(), dimensions.as_mut_ptr())),
        call!(lookalike_model_dimensions(&*model, ptr::null_mut())),
        call!(lookalike_model_acceptance(ptr::null(), acceptance.as_mut_ptr())),
        call!(lookalike_model_acceptance(&*model, ptr::null_mut())),
        call!(lookalike_model_self_test(ptr::null(), work, work_bytes)),
        call!(lookalike_model_self_test(&*model, null_mut, work_bytes)),
        call!(lookalike_model_embed(ptr::null(), image, IMAGE, work, work_bytes, &mut out)),
        call!(lookalike_model_embed(&*model, ptr::null(), IMAGE, work, work_bytes, &mut out)),
        call!(lookalike_model_embed(&*model, image, IMAGE, null_mut, work_bytes, &mut out)),
        call!(lookalike_model_embed(&*model, image, IMAGE, work, work_bytes, ptr::null_mut())),
        call!(lookalike_gallery_open(ptr::null_mut(), &*model, null, 0, ptr::null_mut(), 0)),
        call!(lookalike_gallery_open(&mut *closed, ptr::null(), null, 0, ptr::null_mut(), 0)),
        call!(lookalike_gallery_open(&mut *closed, &*model, null, 9, ptr::null_mut(), 0)),
        call!(lookalike_gallery_open(&mut *closed, &*model, null, 0, ptr::null_mut(), 8)),
        call!(lookalike_gallery_len(ptr::null(), &mut len)),
        call!(lookalike_gallery_len(gallery, ptr::null_mut())),
        call!(lookalike_gallery_capacity(ptr::null(), &mut len)),
        call!(lookalike_gallery_capacity(gallery, ptr::null_mut())),
        call!(lookalike_gallery_enrol(ptr::null_mut(), c"".as_ptr(), values, 64, &mut id)),
        call!(lookalike_gallery_enrol(gallery, ptr::null(), values, 64, &mut id)),
        call!(lookalike_gallery_enrol(gallery, c"".as_ptr(), ptr::null(), 64, &mut id)),
        call!(lookalike_gallery_enrol(gallery, c"".as_ptr(), values, 64, ptr::null_mut())),
        call!(lookalike_gallery_remove(ptr::null_mut(), 0)),
        call!(lookalike_gallery_label(ptr::null(), 0, label.as_mut_ptr(), label.len())),
        call!(lookalike_gallery_label(gallery, 0, ptr::null_mut(), label.len())),
        call!(lookalike_gallery_search(ptr::null(), values, 64, &mut matches[0], 2, &mut len)),
        call!(lookalike_gallery_search(gallery, ptr::null(), 64, &mut matches[0], 2, &mut len)),
        call!(lookalike_gallery_search(gallery, values, 64, ptr::null_mut(), 2, &mut len)),
        call!(lookalike_gallery_search(gallery, values, 64, &mut matches[0], 2, ptr::null_mut())),
    ];
    for (i, status) in statuses.into_iter().enumerate() {
        assert_eq!(status, Status::Null, "call {i}");
    }
    assert_eq!((len, id, opened.len()), (0, 0, 50));
}

#[test]
fn misaligned_pointers_are_refused() {
    let model = open_model();
    let query = embedding(&model, 0);
    let opened = open_gallery(&model, GALLERY, 1);
    let mut shifted = vec![0u8; MODEL.len() + 8];
    let odd = 4 - shifted.as_ptr().addr() % 4 + 1;
    shifted[odd..][..MODEL.len()].copy_from_slice(MODEL);
    let mut other = handle::<Model>();
    let moved = shifted[odd..].as_ptr().cast();
    let status = call!(lookalike_model_open(&mut *other, moved, MODEL.len()));
    assert_eq!(status, Status::Misaligned);
    let status = call!(lookalike_model_open(
        (&raw mut *other).wrapping_byte_add(1),
        address(MODEL),
        MODEL.len()
    ));
    assert_eq!(status, Status::Misaligned);

    let mut workspace = workspace(&model);
    let mut out = ptr::null();
    let status = call!(lookalike_model_embed(
        &*model,
        IMAGES.as_ptr(),
        IMAGE,
        workspace.as_mut_ptr().wrapping_byte_add(2).cast(),
        4 * workspace.len() - 4,
        &mut out
    ));
    assert_eq!(status, Status::Misaligned);
    let mut len = 0;
    let mut matches = [Match::default(); 3];
    let status = call!(lookalike_gallery_search(
        &*opened.gallery,
        query.as_ptr(),
        64,
        matches.as_mut_ptr().wrapping_byte_add(1),
        2,
        &mut len
    ));
    assert_eq!(status, Status::Misaligned);
    let status = call!(lookalike_gallery_search(
        &*opened.gallery,
        query.as_ptr().wrapping_byte_add(1),
        63,
        matches.as_mut_ptr(),
        2,
        &mut len
    ));
    assert_eq!(status, Status::Misaligned);
}

#[test]
fn wrong_lengths_are_refused() {
    let model = open_model();
    let query = embedding(&model, 0);
    let mut opened = open_gallery(&model, GALLERY, 1);
    let mut workspace = workspace(&model);
    let (work, bytes) = (workspace.as_mut_ptr().cast(), 4 * workspace.len());
    let image = IMAGES.as_ptr();
    let mut out = ptr::null();
    for (image_bytes, work_bytes, expected) in [
        (IMAGE - 1, bytes, Status::Image),
        (IMAGE + 1, bytes, Status::Image),
        (0, bytes, Status::Image),
        (IMAGE, bytes - 1, Status::Workspace),
        (IMAGE, 0, Status::Workspace),
        (usize::MAX, bytes, Status::Length),
        (IMAGE, usize::MAX, Status::Length),
    ] {
        let status =
            call!(lookalike_model_embed(&*model, image, image_bytes, work, work_bytes, &mut out));
        assert_eq!((status, out), (expected, ptr::null()), "{image_bytes} {work_bytes}");
    }

    assert_eq!(opened.search(&query[1..], 3), Err(Status::Dimension));
    assert_eq!(opened.search(&[], 3), Err(Status::Dimension));
    assert_eq!(opened.enrol(c"short", &query[1..]), Err(Status::Dimension));
    let too_long = CString::new([b'x'; 33]).unwrap();
    assert_eq!(opened.enrol(&too_long, &query), Err(Status::Label));
    assert_eq!(opened.enrol(c"\xFF", &query), Err(Status::Label));
    let mut label = [0 as c_char; 2];
    for (len, expected) in [(0, Status::Buffer), (1, Status::Buffer), (2, Status::Ok)] {
        let status = call!(lookalike_gallery_label(&*opened.gallery, 0, label.as_mut_ptr(), len));
        assert_eq!(status, expected, "the file's labels have one byte, the buffer {len}");
    }
    assert_eq!(opened.len(), 50);
}

#[test]
fn embeddings_of_no_model_are_refused() {
    let model = open_model();
    let mut opened = open_gallery(&model, &[], 1);
    for (value, expected) in [
        (f32::NAN, Status::NotFinite),
        (f32::INFINITY, Status::NotFinite),
        (1.0, Status::NotNormalized),
    ] {
        let words = [f32::to_bits(value); DIMENSION];
        assert_eq!(opened.enrol(c"", &words), Err(expected));
        assert_eq!(opened.search(&words, 1), Err(expected));
    }
}

#[test]
fn unknown_and_read_only_items_are_told() {
    let model = open_model();
    let mut opened = open_gallery(&model, GALLERY, 1);
    for id in [FILE_ITEMS, 1000, u32::MAX] {
        assert_eq!(opened.remove(id), Status::UnknownId);
        assert_eq!(opened.label(id), Err(Status::UnknownId));
    }
    assert_eq!(opened.remove(0), Status::ReadOnly);
    assert_eq!(opened.remove(FILE_ITEMS - 1), Status::ReadOnly);
    assert_eq!(opened.len(), 50);
}

#[test]
fn overlapping_memory_is_refused() {
    let model = open_model();
    let query = embedding(&model, 0);
    let mut workspace = workspace(&model);
    let bytes = 4 * workspace.len();
    let start = workspace.as_mut_ptr();
    let mut out = ptr::null();
    let status =
        call!(lookalike_model_embed(&*model, start.cast(), IMAGE, start.cast(), bytes, &mut out));
    assert_eq!(status, Status::Overlap);

    let mut opened = open_gallery(&model, GALLERY, 2);
    opened.enrol(c"first", &query).unwrap();
    let inside = opened.memory.as_mut_ptr().wrapping_add(2 * SLOT_WORDS);
    let (mut len, mut id) = (0, 0);
    let gallery = &mut *opened.gallery;
    let words = inside.cast::<u32>();
    let status = call!(lookalike_gallery_enrol(gallery, c"".as_ptr(), words, DIMENSION, &mut id));
    assert_eq!(status, Status::Overlap);
    let matches = inside.cast::<Match>();
    let status =
        call!(lookalike_gallery_search(gallery, query.as_ptr(), DIMENSION, matches, 1, &mut len));
    assert_eq!(status, Status::Overlap);
    let status = call!(lookalike_gallery_label(gallery, 0, inside.cast(), LABEL_BYTES));
    assert_eq!(status, Status::Overlap);
    assert_eq!(opened.len(), 51);
}

#[test]
fn handles_that_are_not_open_are_refused() {
    let model = open_model();
    let opened = open_gallery(&model, GALLERY, 1);
    let mut out = MaybeUninit::uninit();
    let mut len = 0;

    let garbage = handle::<Model>();
    assert_eq!(call!(lookalike_model_dimensions(&*garbage, out.as_mut_ptr())), Status::Handle);
    let garbage = handle::<Gallery>();
    assert_eq!(call!(lookalike_gallery_len(&*garbage, &mut len)), Status::Handle);

    // SAFETY: handles are plain memory.
    let copy = Box::new(unsafe { ptr::read(&*model) });
    assert_eq!(call!(lookalike_model_dimensions(&*copy, out.as_mut_ptr())), Status::Handle);
    // SAFETY: as above.
    let copy = Box::new(unsafe { ptr::read(&*opened.gallery) });
    assert_eq!(call!(lookalike_gallery_len(&*copy, &mut len)), Status::Handle);
    // One kind of handle for the other.
    let wrong = (&raw const *opened.gallery).cast::<Model>();
    assert_eq!(call!(lookalike_model_dimensions(wrong, out.as_mut_ptr())), Status::Handle);

    // A failure to open closes what was open.
    let mut reopened = open_model();
    let status = call!(lookalike_model_open(&mut *reopened, address(MODEL), MODEL.len() - 1));
    assert_eq!(status, Status::Truncated);
    assert_eq!(call!(lookalike_model_dimensions(&*reopened, out.as_mut_ptr())), Status::Handle);
}

#[test]
fn files_of_another_kind_or_model_are_refused() {
    let model = open_model();
    let mut other = handle::<Model>();
    let status = call!(lookalike_model_open(&mut *other, address(GALLERY), GALLERY.len()));
    assert_eq!(status, Status::Magic);
    let mut gallery = handle::<Gallery>();
    let nothing = ptr::null_mut();
    let mut open = |model: &Model, file: &[u8]| {
        let (start, len) = (address(file), file.len());
        call!(lookalike_gallery_open(&mut *gallery, model, start, len, nothing, 0))
    };
    assert_eq!(open(&model, MODEL), Status::Magic);
    assert_eq!(open(&model, &GALLERY[..GALLERY.len() / 2]), Status::Truncated);
    assert_eq!(open(&model, GALLERY), Status::Ok);

    let library = lookalike::Model::<lookalike::F32>::from_bytes(MODEL).unwrap();
    let parameters = vec![0.5; library.network().parameters()];
    let contents = lookalike::model::ModelContents::new(*library.network(), &parameters);
    let mut file = lookalike::Aligned([0; 10_000]);
    let len = lookalike::model::write(&contents, &mut file.0).unwrap();
    let status = call!(lookalike_model_open(&mut *other, file.0.as_ptr().cast(), len));
    assert_eq!(status, Status::Ok);
    assert_eq!(open(&other, GALLERY), Status::OtherModel);
}

proptest! {
    /// Whatever the damage, opening tells it, and nothing else happens.
    #[test]
    fn damaged_files_are_refused(
        cut in 0..MODEL.len(),
        byte in 0..MODEL.len(),
        flip in 1..=255u8,
    ) {
        let mut model = handle::<Model>();
        let status = call!(lookalike_model_open(&mut *model, address(MODEL), cut));
        prop_assert_eq!(status, Status::Truncated);

        let mut damaged = vec![0u64; MODEL.len() / 8 + 1];
        let start = damaged.as_mut_ptr().cast::<u8>();
        // SAFETY: the words have room for the model's bytes.
        let bytes = unsafe {
            ptr::copy_nonoverlapping(MODEL.as_ptr(), start, MODEL.len());
            std::slice::from_raw_parts_mut(start, MODEL.len())
        };
        bytes[byte] ^= flip;
        let status = call!(lookalike_model_open(&mut *model, address(bytes), bytes.len()));
        prop_assert!(status != Status::Ok);
    }
}
