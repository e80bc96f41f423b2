//! Sequences of gallery operations against a map from the standard library,
//! and searches against sorting.

mod common;

use std::collections::BTreeMap;

use common::{Aligned, model_file, open, parameters};
use lookalike::gallery::{self, GalleryContents, Item, MAX_LABEL};
use lookalike::{Embedding, Gallery, GalleryError, GalleryFile, Matches, Network};
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
    let contents = GalleryContents {
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
    Remove(u32),
    Search(Vector),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => ("[a-z\u{e9}]{0,34}", vector()).prop_map(|(label, v)| Operation::Enrol(label, v)),
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
