//! Sequences of gallery operations against a map from the standard library,
//! and searches against sorting.

mod common;

use std::collections::BTreeMap;

use common::{Aligned, model_file, open, parameters};
use lookalike::gallery::{self, GalleryContents, Item, MAX_LABEL};
use lookalike::{Embedding, F32, Gallery, GalleryError, GalleryFile, Matches, Network};
use proptest::prelude::*;

const DIMENSION: usize = 4;
const CAPACITY: usize = 6;

type SmallGallery<'a> = Gallery<'a, CAPACITY, DIMENSION>;
type Vector = [f32; DIMENSION];

fn network() -> Network {
    Network::new([1, 18, 18], [1, 1, 1], 2, 0).unwrap()
}

fn gallery_file<const D: usize>(fingerprint: u32, items: &[(u16, [f32; D])]) -> Aligned {
    let labels: Vec<u16> = items.iter().map(|(label, _)| *label).collect();
    let embeddings: Vec<f32> = items.iter().flat_map(|(_, vector)| *vector).collect();
    let contents = GalleryContents::<F32> {
        fingerprint,
        dimension: D,
        names: "red\ngreen\nblue",
        labels: &labels,
        embeddings: &embeddings,
    };
    let mut out = vec![0; gallery::file_len(&contents).unwrap()];
    gallery::write(&contents, &mut out).unwrap();
    Aligned::new(&out)
}

/// Values whose products are exact, and few enough for ties.
fn vector() -> impl Strategy<Value = Vector> {
    prop::array::uniform4(prop::sample::select(vec![-0.5f32, -0.25, 0.0, 0.25, 0.5]))
}

#[derive(Clone, Debug)]
enum Operation {
    Enrol(String, Vector),
    EnrolWithId(u32, String, Vector),
    Remove(u32),
    Search(Vector),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => ("[a-z\u{e9}]{0,34}", vector()).prop_map(|(label, v)| Operation::Enrol(label, v)),
        2 => (0u32..16, "[a-z\u{e9}]{0,34}", vector())
            .prop_map(|(id, label, v)| Operation::EnrolWithId(id, label, v)),
        2 => (0u32..16).prop_map(Operation::Remove),
        2 => vector().prop_map(Operation::Search),
    ]
}

fn nearest(items: &BTreeMap<u32, (String, Vector)>, query: &Vector, k: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = items
        .iter()
        .map(|(&id, (_, vector))| {
            let dot: f32 = query.iter().zip(vector).map(|(x, y)| x * y).sum();
            (id, (2.0 - 2.0 * dot).max(0.0))
        })
        .collect();
    // Stable, so that ties stay in the order of the ids.
    all.sort_by(|x, y| x.1.partial_cmp(&y.1).unwrap());
    all.truncate(k);
    all
}

fn found<const K: usize>(gallery: &SmallGallery<'_>, query: &Vector) -> Vec<(u32, f32)> {
    let matches: Matches<K> = gallery.search(&Embedding::from_slice(query).unwrap());
    matches.iter().map(|m| (m.id, m.distance)).collect()
}

proptest! {
    #[test]
    fn behaves_as_a_map(
        read_only in prop::collection::vec((0u16..3, vector()), 0..5),
        operations in prop::collection::vec(operation(), 0..40),
    ) {
        let model_file = model_file(&network(), "", &parameters(&network(), 1));
        let model = open(&model_file);
        let file = gallery_file(model.fingerprint(), &read_only);
        let file = GalleryFile::from_bytes(file.bytes()).unwrap();
        let mut gallery: SmallGallery<'_> = Gallery::new(&model, Some(file)).unwrap();

        let names = ["red", "green", "blue"];
        let mut items: BTreeMap<u32, (String, Vector)> = (0..)
            .zip(&read_only)
            .map(|(id, &(label, vector))| (id, (names[usize::from(label)].to_string(), vector)))
            .collect();
        let first_enrolled = read_only.len() as u32;
        let mut next_id = first_enrolled;

        for operation in operations {
            match operation {
                Operation::Enrol(label, vector) => {
                    let embedding = Embedding::from_slice(&vector).unwrap();
                    let expected = if label.len() > MAX_LABEL {
                        Err(GalleryError::Label)
                    } else if items.len() == read_only.len() + CAPACITY {
                        Err(GalleryError::Full)
                    } else {
                        items.insert(next_id, (label.clone(), vector));
                        next_id += 1;
                        Ok(next_id - 1)
                    };
                    prop_assert_eq!(gallery.enrol(&label, &embedding), expected);
                }
                Operation::EnrolWithId(id, label, vector) => {
                    let embedding = Embedding::from_slice(&vector).unwrap();
                    let expected = if label.len() > MAX_LABEL {
                        Err(GalleryError::Label)
                    } else if id < first_enrolled {
                        Err(GalleryError::ReadOnly)
                    } else if items.contains_key(&id) {
                        Err(GalleryError::DuplicateId)
                    } else if items.len() == read_only.len() + CAPACITY {
                        Err(GalleryError::Full)
                    } else {
                        items.insert(id, (label.clone(), vector));
                        next_id = next_id.max(id + 1);
                        Ok(())
                    };
                    prop_assert_eq!(gallery.enrol_with_id(id, &label, &embedding), expected);
                }
                Operation::Remove(id) => {
                    let expected = if id < first_enrolled {
                        Err(GalleryError::ReadOnly)
                    } else {
                        items.remove(&id).map(|_| ()).ok_or(GalleryError::UnknownId)
                    };
                    prop_assert_eq!(gallery.remove(id), expected);
                }
                Operation::Search(query) => {
                    prop_assert_eq!(found::<0>(&gallery, &query), nearest(&items, &query, 0));
                    prop_assert_eq!(found::<3>(&gallery, &query), nearest(&items, &query, 3));
                    prop_assert_eq!(found::<20>(&gallery, &query), nearest(&items, &query, 20));
                }
            }
            prop_assert_eq!(gallery.len(), items.len());
            prop_assert_eq!(gallery.is_empty(), items.is_empty());
            let expected = items
                .iter()
                .map(|(&id, (label, vector))| Item { id, label, embedding: vector });
            prop_assert!(gallery.iter().eq(expected));
            for id in 0..next_id + 2 {
                let expected = items.get(&id).map(|(label, _)| label.as_str());
                prop_assert_eq!(gallery.label(id), expected);
            }
        }
    }
}

#[test]
fn another_models_gallery_is_refused() {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    let fingerprint = model.fingerprint();
    let file = gallery_file(fingerprint ^ 1, &[(0, [0.5; DIMENSION])]);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    assert_eq!(
        SmallGallery::new(&model, Some(file)).err(),
        Some(GalleryError::OtherModel { expected: fingerprint, found: fingerprint ^ 1 })
    );
}

#[test]
fn other_dimensions_are_refused() {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    assert_eq!(
        Gallery::<'_, 1, 5>::new(&model, None).err(),
        Some(GalleryError::Dimension { expected: 5, found: 4 })
    );
    let file = gallery_file(model.fingerprint(), &[(0, [0.5; 2])]);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    assert_eq!(
        SmallGallery::new(&model, Some(file)).err(),
        Some(GalleryError::Dimension { expected: 4, found: 2 })
    );

    let mut gallery: SmallGallery<'_> = Gallery::new(&model, None).unwrap();
    gallery.enrol("four", &Embedding::from_slice(&[0.5; 4]).unwrap()).unwrap();
    let three = Embedding::from_slice(&[0.5; 3]).unwrap();
    let refused = Err(GalleryError::Dimension { expected: 4, found: 3 });
    assert_eq!(gallery.enrol("three", &three), refused);
    assert!(gallery.search::<2>(&three).is_empty());
}

#[test]
fn stored_items_are_loaded_in_any_order() {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    let file = gallery_file(model.fingerprint(), &[(0, [0.5; DIMENSION]), (1, [0.5; DIMENSION])]);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    let mut gallery: SmallGallery<'_> = Gallery::new(&model, Some(file)).unwrap();
    let embedding = Embedding::from_slice(&[0.5; DIMENSION]).unwrap();

    for (id, label) in [(9, "nine"), (4, "four"), (7, "seven"), (2, "two")] {
        gallery.enrol_with_id(id, label, &embedding).unwrap();
    }
    let refused = gallery.enrol_with_id(7, "again", &embedding);
    assert_eq!(refused, Err(GalleryError::DuplicateId));
    assert_eq!(gallery.enrol_with_id(1, "below", &embedding), Err(GalleryError::ReadOnly));
    assert_eq!(gallery.enrol("next", &embedding), Ok(10));
    let items: Vec<(u32, &str)> = gallery.iter().map(|item| (item.id, item.label)).collect();
    let expected = [
        (0, "red"),
        (1, "green"),
        (2, "two"),
        (4, "four"),
        (7, "seven"),
        (9, "nine"),
        (10, "next"),
    ];
    assert_eq!(items, expected);

    // A removed item's id is not given again, but may be brought back.
    gallery.remove(10).unwrap();
    assert_eq!(gallery.enrol("next", &embedding), Ok(11));
    gallery.enrol_with_id(10, "back", &embedding).unwrap();
    let full = gallery.enrol_with_id(12, "one more", &embedding);
    assert_eq!(full, Err(GalleryError::Full));
}

#[test]
fn a_gallery_is_opened_in_place() {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    let values = [0.5; DIMENSION];
    let embedding = Embedding::from_slice(&values).unwrap();
    let file = gallery_file(model.fingerprint(), &[(0, values)]);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    let other = gallery_file(!model.fingerprint(), &[(0, values)]);
    let other = GalleryFile::from_bytes(other.bytes()).unwrap();

    let mut gallery: SmallGallery<'_> = Gallery::empty();
    assert!(gallery.is_empty());
    assert!(gallery.search::<2>(&embedding).is_empty());
    gallery.open(&model, Some(file)).unwrap();
    assert_eq!(gallery.enrol("cup", &embedding), Ok(1));

    assert!(gallery.open(&model, Some(other)).is_err());
    assert_eq!((gallery.len(), gallery.label(1)), (2, Some("cup")));
    gallery.open(&model, None).unwrap();
    assert_eq!((gallery.len(), gallery.label(1)), (0, None));
    assert_eq!(gallery.enrol("key", &embedding), Ok(0));

    let mut wrong: Gallery<'_, 1, 5> = Gallery::empty();
    let dimension = GalleryError::Dimension { expected: 5, found: DIMENSION };
    assert_eq!(wrong.open(&model, None), Err(dimension));
    let mut nothing: Gallery<'_, 1, 0> = Gallery::empty();
    let point = Embedding::from_slice(&[]).unwrap();
    assert_eq!(nothing.enrol("point", &point), Err(GalleryError::Full));
}
