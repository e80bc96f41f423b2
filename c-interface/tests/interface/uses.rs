//! What the functions do.

use super::*;

#[test]
fn dimensions_are_those_of_the_library() {
    let library = lookalike::Model::<lookalike::F32>::from_bytes(MODEL).unwrap();
    let expected = Dimensions {
        channels: 1,
        height: 28,
        width: 28,
        image_bytes: IMAGE,
        workspace_bytes: 4 * library.workspace_len(),
        embedding_words: DIMENSION,
        fingerprint: library.fingerprint(),
    };
    assert_eq!(dimensions(&open_model()), expected);
}

#[test]
fn model_tests_itself_and_gives_its_threshold() {
    let library = lookalike::Model::<lookalike::F32>::from_bytes(MODEL).unwrap();
    let model = open_model();
    let mut workspace = workspace(&model);
    let (start, bytes) = (workspace.as_mut_ptr().cast(), 4 * workspace.len());
    assert_eq!(call!(lookalike_model_self_test(&*model, start, bytes)), Status::Ok);
    let status = call!(lookalike_model_self_test(&*model, start, bytes - 4));
    assert_eq!(status, Status::Workspace);

    let expected = library.acceptance().expect("the model is calibrated");
    let nowhere = Acceptance { threshold: -1.0, false_accept_rate: -1.0, rule: Rule::NearestItem };
    let mut found = nowhere;
    assert_eq!(call!(lookalike_model_acceptance(&*model, &mut found)), Status::Ok);
    assert_eq!(found.threshold, expected.threshold);
    assert_eq!(found.false_accept_rate, expected.false_accept_rate);
    assert_eq!(found.rule as i32, expected.rule as i32);

    // The same network without what is optional in a file.
    let mut parameters = vec![0.0; library.network().parameters()];
    library.copy_parameters(&mut parameters).unwrap();
    let bare = lookalike::model::ModelContents::new(*library.network(), &parameters);
    let mut words = vec![0u64; MODEL.len() / 8 + 1];
    let len = {
        // SAFETY: the bytes of the words.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), 8 * words.len())
        };
        lookalike::model::write(&bare, bytes).unwrap()
    };
    let mut model = handle();
    let status = call!(lookalike_model_open(&mut *model, words.as_ptr().cast(), len));
    assert_eq!(status, Status::Ok);
    let status = call!(lookalike_model_self_test(&*model, start, bytes));
    assert_eq!(status, Status::NoSelfTest);
    let mut untouched = nowhere;
    let status = call!(lookalike_model_acceptance(&*model, &mut untouched));
    assert_eq!((status, untouched), (Status::NoAcceptance, nowhere));
}

#[test]
fn enrolled_items_come_and_go() {
    let model = open_model();
    let (zero, one) = (embedding(&model, 3), embedding(&model, 2));
    let mut opened = open_gallery(&model, GALLERY, 2);
    assert_eq!((opened.len(), opened.capacity()), (50, 2));

    assert_eq!(opened.enrol(c"zero", &zero), Ok(FILE_ITEMS));
    let longest = "ä".repeat(16);
    let label = CString::new(longest.clone()).unwrap();
    assert_eq!(opened.enrol(&label, &one), Ok(FILE_ITEMS + 1));
    assert_eq!(opened.enrol(c"", &one), Err(Status::Full));
    assert_eq!(opened.len(), 52);
    assert_eq!(opened.label(FILE_ITEMS).as_deref(), Ok("zero"));
    assert_eq!(opened.label(FILE_ITEMS + 1).as_deref(), Ok(longest.as_str()));
    assert_eq!(opened.search(&one, 1).unwrap()[0].id, FILE_ITEMS + 1);

    assert_eq!(opened.remove(FILE_ITEMS), Status::Ok);
    assert_eq!(opened.remove(FILE_ITEMS), Status::UnknownId);
    assert_eq!(opened.label(FILE_ITEMS), Err(Status::UnknownId));
    assert_eq!(opened.label(FILE_ITEMS + 1).as_deref(), Ok(longest.as_str()));
    assert_eq!(opened.search(&one, 1).unwrap()[0].id, FILE_ITEMS + 1);
    assert_eq!(opened.enrol(c"zero again", &zero), Ok(FILE_ITEMS + 2));
    assert_eq!(opened.search(&zero, 60).unwrap().len(), 52);
    assert_eq!(opened.search(&zero, 0), Ok(vec![]));
}

#[test]
fn gallery_without_file_and_gallery_that_cannot_grow() {
    let model = open_model();
    let query = embedding(&model, 0);
    let mut empty = open_gallery(&model, &[], 1);
    assert_eq!(empty.len(), 0);
    assert_eq!(empty.search(&query, 3), Ok(vec![]));
    assert_eq!(empty.enrol(c"first", &query), Ok(0));
    assert_eq!(empty.search(&query, 3).unwrap().len(), 1);

    let mut fixed = open_gallery(&model, GALLERY, 0);
    assert_eq!((fixed.len(), fixed.capacity()), (50, 0));
    assert_eq!(fixed.enrol(c"more", &query), Err(Status::Full));
}
