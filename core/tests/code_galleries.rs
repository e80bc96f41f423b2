//! Galleries of integer codes: sequences of operations against a map from the
//! standard library, and searches against sorting.

mod common;

use std::collections::BTreeMap;

use common::{Aligned, model_file, open, parameters};
use lookalike::gallery::{self, GalleryContents, Item, SliceGallery, Slot};
use lookalike::{
    Binary, Code, Embedding, Gallery, GalleryError, GalleryFile, Match, Matches, Network,
    Projected, TwoStage, U8,
};
use proptest::prelude::*;

const CAPACITY: usize = 6;
/// Values of an embedding.
const DIMENSION: usize = 4;

fn network() -> Network {
    Network::new([1, 18, 18], [1, 1, 1], 2, 0).unwrap()
}

/// floor(2^bits / sqrt(squares)), by trying.
fn inverse_root(squares: u128, bits: u32) -> u32 {
    if squares == 0 {
        return 0;
    }
    let (mut low, mut high) = (0u128, 1 << 33);
    while high - low > 1 {
        let middle = (low + high) / 2;
        let fits = middle * middle * squares <= 1 << (2 * bits);
        (low, high) = if fits { (middle, high) } else { (low, middle) };
    }
    u32::try_from(low).unwrap()
}

fn signed(words: &[u32]) -> Vec<i128> {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|b| i128::from(b.cast_signed())).collect()
}

fn unsigned(words: &[u32]) -> Vec<i128> {
    words.iter().flat_map(|word| word.to_le_bytes()).map(i128::from).collect()
}

fn dot(x: &[i128], y: &[i128]) -> i128 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Few values, so that ties are common; words of an embedding and its distance
/// to another as the documentation defines them.
trait Sample: Code<Word = u32> {
    fn sample(values: [u8; 3]) -> Vec<u32>;

    fn units(x: &[u32], y: &[u32]) -> i128;
}

impl Sample for U8 {
    fn sample([a, b, c]: [u8; 3]) -> Vec<u32> {
        let values = u32::from_le_bytes([a * 85, b * 85, c * 85, if a == 3 { 9 } else { 255 }]);
        let values = if [a, b, c] == [0; 3] { 0 } else { values };
        let squares = dot(&unsigned(&[values]), &unsigned(&[values]));
        vec![inverse_root(squares.cast_unsigned(), 39), values]
    }

    fn units(x: &[u32], y: &[u32]) -> i128 {
        let product = dot(&unsigned(&x[1..]), &unsigned(&y[1..]));
        let cosine = product * i128::from(x[0]) * i128::from(y[0]);
        (1 << 23) - ((cosine + (1 << 54)) >> 55)
    }
}

impl Sample for Projected {
    fn sample([a, b, c]: [u8; 3]) -> Vec<u32> {
        let wide = |value: u8| [-127i8, -5, 0, 127][usize::from(value)].cast_unsigned();
        let largest = if [a, b, c].iter().any(|value| [0, 3].contains(value)) { 0 } else { 129 };
        let largest = if [a, b, c] == [2; 3] { 0 } else { largest };
        let values = u32::from_le_bytes([wide(a), wide(b), wide(c), largest]);
        let squares = dot(&signed(&[values]), &signed(&[values]));
        vec![inverse_root(squares.cast_unsigned(), 38), values]
    }

    fn units(x: &[u32], y: &[u32]) -> i128 {
        let product = dot(&signed(&x[1..]), &signed(&y[1..]));
        let cosine = product.abs() * i128::from(x[0]) * i128::from(y[0]);
        (1 << 23) - product.signum() * ((cosine + (1 << 52)) >> 53)
    }
}

impl Sample for Binary {
    fn sample([a, b, c]: [u8; 3]) -> Vec<u32> {
        vec![u32::from(a % 2) | u32::from(b % 2) << 1 | u32::from(c % 2) << 3]
    }

    fn units(x: &[u32], y: &[u32]) -> i128 {
        let bits: u32 = x.iter().zip(y).map(|(x, y)| (x ^ y).count_ones()).sum();
        i128::from(bits) * ((1 << 19) / x.len() as i128)
    }
}

impl Sample for TwoStage {
    fn sample(values: [u8; 3]) -> Vec<u32> {
        [Binary::sample(values.map(|value| value / 2)), U8::sample(values)].concat()
    }

    /// There are too few items for the first stage to leave one out.
    fn units(x: &[u32], y: &[u32]) -> i128 {
        U8::units(&x[1..], &y[1..])
    }
}

fn gallery_file<C: Code<Word = u32>>(
    fingerprint: u32,
    dimension: usize,
    items: &[(u16, Vec<u32>)],
) -> Aligned {
    let labels: Vec<u16> = items.iter().map(|(label, _)| *label).collect();
    let embeddings: Vec<u32> = items.iter().flat_map(|(_, words)| words.clone()).collect();
    let contents = GalleryContents::<C> {
        fingerprint,
        dimension,
        names: "red\ngreen\nblue",
        labels: &labels,
        embeddings: &embeddings,
    };
    let mut out = vec![0; gallery::file_len(&contents).unwrap()];
    gallery::write(&contents, &mut out).unwrap();
    Aligned::new(&out)
}

#[derive(Clone, Debug)]
enum Operation {
    Enrol(String, [u8; 3]),
    EnrolWithId(u32, String, [u8; 3]),
    Remove(u32),
    Search([u8; 3]),
}

fn values() -> impl Strategy<Value = [u8; 3]> {
    [0..4u8, 0..4u8, 0..4u8]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => ("[a-z]{0,32}", values()).prop_map(|(label, v)| Operation::Enrol(label, v)),
        2 => (0u32..16, "[a-z]{0,32}", values())
            .prop_map(|(id, label, v)| Operation::EnrolWithId(id, label, v)),
        2 => (0u32..16).prop_map(Operation::Remove),
        2 => values().prop_map(Operation::Search),
    ]
}

type Items = BTreeMap<u32, (String, Vec<u32>)>;

fn nearest<C: Sample>(items: &Items, query: &[u32], k: usize) -> Vec<(u32, f64)> {
    let mut all: Vec<(i128, u32)> =
        items.iter().map(|(&id, (_, words))| (C::units(query, words), id)).collect();
    all.sort_unstable();
    all.into_iter().take(k).map(|(units, id)| (id, units as f64 / f64::from(1 << 22))).collect()
}

fn pairs(matches: &[Match]) -> Vec<(u32, f64)> {
    matches.iter().map(|found| (found.id, f64::from(found.distance))).collect()
}

/// Does the same with a gallery, a gallery in slices, and a map.
fn check<C: Sample, const D: usize>(
    read_only: &[(u16, [u8; 3])],
    operations: Vec<Operation>,
) -> Result<(), TestCaseError> {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    let read_only: Vec<(u16, Vec<u32>)> =
        read_only.iter().map(|&(label, values)| (label, C::sample(values))).collect();
    let file = gallery_file::<C>(model.fingerprint(), DIMENSION, &read_only);
    let file = GalleryFile::<C>::from_bytes(file.bytes()).unwrap();
    prop_assert_eq!(file.words(), D);
    let mut gallery: Gallery<'_, CAPACITY, D, C> = Gallery::new(&model, Some(file)).unwrap();
    let (mut slots, mut memory) = (vec![Slot::EMPTY; CAPACITY], vec![7; CAPACITY * D]);
    let mut slices: SliceGallery<'_, '_, C> =
        SliceGallery::new(&model, Some(file), &mut slots, &mut memory).unwrap();

    let names = ["red", "green", "blue"];
    let mut items: Items = (0..)
        .zip(&read_only)
        .map(|(id, (label, words))| (id, (names[usize::from(*label)].to_string(), words.clone())))
        .collect();
    let first_enrolled = read_only.len() as u32;
    let mut next_id = first_enrolled;
    for operation in operations {
        let full = items.len() == read_only.len() + CAPACITY;
        match operation {
            Operation::Enrol(label, values) => {
                let words = C::sample(values);
                let embedding = Embedding::from_slice(&words).unwrap();
                let expected = if full { Err(GalleryError::Full) } else { Ok(next_id) };
                prop_assert_eq!(gallery.enrol(&label, &embedding), expected);
                prop_assert_eq!(slices.enrol(&label, &embedding), expected);
                if !full {
                    items.insert(next_id, (label, words));
                    next_id += 1;
                }
            }
            Operation::EnrolWithId(id, label, values) => {
                let words = C::sample(values);
                let embedding = Embedding::from_slice(&words).unwrap();
                let expected = if id < first_enrolled {
                    Err(GalleryError::ReadOnly)
                } else if items.contains_key(&id) {
                    Err(GalleryError::DuplicateId)
                } else if full {
                    Err(GalleryError::Full)
                } else {
                    Ok(())
                };
                prop_assert_eq!(gallery.enrol_with_id(id, &label, &embedding), expected);
                prop_assert_eq!(slices.enrol_with_id(id, &label, &embedding), expected);
                if expected.is_ok() {
                    items.insert(id, (label, words));
                    next_id = next_id.max(id + 1);
                }
            }
            Operation::Remove(id) => {
                let expected = if id < first_enrolled {
                    Err(GalleryError::ReadOnly)
                } else {
                    items.remove(&id).map(|_| ()).ok_or(GalleryError::UnknownId)
                };
                prop_assert_eq!(gallery.remove(id), expected);
                prop_assert_eq!(slices.remove(id), expected);
            }
            Operation::Search(values) => {
                let words = C::sample(values);
                let query = Embedding::from_slice(&words).unwrap();
                let found: Matches<3> = gallery.search(&query);
                prop_assert_eq!(pairs(&found), nearest::<C>(&items, &words, 3));
                let found: Matches<20> = gallery.search(&query);
                prop_assert_eq!(pairs(&found), nearest::<C>(&items, &words, 20));
                let found: Matches<80> = gallery.search(&query);
                prop_assert_eq!(pairs(&found), nearest::<C>(&items, &words, 80));
                let mut room = [Match { id: 7, distance: -1.0 }; 5];
                let found = slices.search(&query, &mut room);
                prop_assert_eq!(pairs(found.as_slice()), nearest::<C>(&items, &words, 5));
            }
        }
        let expected =
            || items.iter().map(|(&id, (label, words))| Item::<C> { id, label, embedding: words });
        prop_assert!(gallery.iter().eq(expected()));
        prop_assert!(slices.iter().eq(expected()));
    }
    Ok(())
}

macro_rules! behave_as_a_map {
    ($($name:ident($code:ty, $words:literal),)*) => {
        proptest! {
            $(
                #[test]
                fn $name(
                    read_only in prop::collection::vec((0u16..3, values()), 0..6),
                    operations in prop::collection::vec(operation(), 0..40),
                ) {
                    check::<$code, $words>(&read_only, operations)?;
                }
            )*
        }
    };
}

behave_as_a_map! {
    u8_galleries_behave_as_a_map(U8, 2),
    projected_galleries_behave_as_a_map(Projected, 2),
    binary_galleries_behave_as_a_map(Binary, 1),
    two_stage_galleries_behave_as_a_map(TwoStage, 3),
}

/// A gallery of 300 items of 64 values, in the file and enrolled.
#[test]
fn a_shortlist_is_ranked_by_the_second_stage() {
    const WORDS: usize = TwoStage::words(64);
    let network = Network::new([1, 18, 18], [1, 1, 16], 2, 0).unwrap();
    let model_file = model_file(&network, "", &parameters(&network, 1));
    let model = open(&model_file);
    let mut noise = common::noise(5).map(|value| ((value + 1.0) * 127.5) as u8);
    let mut item = || {
        let mut values: Vec<u8> = noise.by_ref().take(64).collect();
        values[3] = 255;
        let words: Vec<u32> =
            values.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
        let squares = dot(&unsigned(&words), &unsigned(&words));
        // The bits have nothing to do with the values: the stages disagree.
        let bits: Vec<u32> = (0..2).map(|_| u32::from(noise.next().unwrap()) << 7).collect();
        [bits, vec![inverse_root(squares.cast_unsigned(), 39)], words].concat()
    };
    let all: Vec<Vec<u32>> = (0..300).map(|_| item()).collect();
    let read_only: Vec<(u16, Vec<u32>)> =
        all[..200].iter().map(|words| (0, words.clone())).collect();
    let file = gallery_file::<TwoStage>(model.fingerprint(), 64, &read_only);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    let mut gallery: Gallery<'_, 100, WORDS, TwoStage> = Gallery::new(&model, Some(file)).unwrap();
    let (mut slots, mut memory) = (vec![Slot::EMPTY; 100], vec![0; 100 * WORDS]);
    let mut slices: SliceGallery<'_, '_, TwoStage> =
        SliceGallery::new(&model, Some(file), &mut slots, &mut memory).unwrap();
    // Ids are not places.
    let id = |place: usize| if place < 200 { place as u32 } else { 2 * place as u32 };
    for (place, words) in all.iter().enumerate().skip(200) {
        let embedding = Embedding::from_slice(words).unwrap();
        gallery.enrol_with_id(id(place), "", &embedding).unwrap();
        slices.enrol_with_id(id(place), "", &embedding).unwrap();
    }
    for _ in 0..20 {
        let words = item();
        let query = Embedding::from_slice(&words).unwrap();
        let expected = |shortlist: usize, k: usize| -> Vec<u32> {
            let mut places: Vec<usize> = (0..all.len()).collect();
            places.sort_by_key(|&place| (Binary::units(&words[..2], &all[place][..2]), place));
            places.truncate(shortlist);
            places.sort_by_key(|&place| (U8::units(&words[2..], &all[place][2..]), place));
            places.into_iter().take(k).map(id).collect()
        };
        let ids = |matches: &[Match]| -> Vec<u32> { matches.iter().map(|m| m.id).collect() };
        let found: Matches<5> = gallery.search(&query);
        assert_eq!(ids(&found), expected(TwoStage::SHORTLIST, 5));
        let found: Matches<64> = gallery.search(&query);
        assert_eq!(ids(&found), expected(300, 64));
        for shortlist in [0, 1, 4, 30, 400] {
            let mut room = vec![Match { id: 0, distance: 0.0 }; shortlist];
            let found: Matches<10> = gallery.search_shortlist(&query, &mut room);
            assert_eq!(ids(&found), expected(shortlist, 10));
            let mut matches = [Match { id: 0, distance: 0.0 }; 10];
            let found = slices.search_shortlist(&query, &mut room, &mut matches);
            assert_eq!(ids(found.as_slice()), expected(shortlist, 10));
        }
        let mut matches = [Match { id: 0, distance: 0.0 }; 7];
        let found = slices.search(&query, &mut matches);
        assert_eq!(ids(found.as_slice()), expected(TwoStage::SHORTLIST, 7));
    }
    // Another length matches nothing.
    let short = TwoStage::sample([1; 3]);
    let short = Embedding::from_slice(&short).unwrap();
    assert!(gallery.search::<5>(&short).is_empty());
    assert!(
        gallery.search_shortlist::<5>(&short, &mut [Match { id: 0, distance: 0.0 }]).is_empty()
    );
}

/// The file alone says how long projected embeddings are.
#[test]
fn projections_have_the_files_length() {
    let model_file = model_file(&network(), "", &parameters(&network(), 1));
    let model = open(&model_file);
    let words = Projected::sample([0, 1, 2]);
    let embedding = Embedding::from_slice(&words).unwrap();
    let (mut slots, mut memory) = (vec![Slot::EMPTY; 2], vec![0; 4]);
    let mut slices: SliceGallery<'_, '_, Projected> =
        SliceGallery::new(&model, None, &mut slots, &mut memory).unwrap();
    assert_eq!((slices.words(), slices.capacity()), (0, 0));
    let refused = Err(GalleryError::Dimension { expected: 0, found: 2 });
    assert_eq!(slices.enrol("", &embedding), refused);

    let file = gallery_file::<Projected>(model.fingerprint(), 3, &[(0, words.clone())]);
    let file = GalleryFile::from_bytes(file.bytes()).unwrap();
    let mut slices: SliceGallery<'_, '_, Projected> =
        SliceGallery::new(&model, Some(file), &mut slots, &mut memory).unwrap();
    assert_eq!((slices.words(), slices.capacity()), (2, 2));
    assert_eq!(slices.enrol("", &embedding), Ok(1));
    let other = Gallery::<'_, 1, 3, Projected>::new(&model, Some(file)).err();
    assert_eq!(other, Some(GalleryError::Dimension { expected: 3, found: 2 }));
    let other = Gallery::<'_, 1, 3, U8>::new(&model, None).err();
    assert_eq!(other, Some(GalleryError::Dimension { expected: 3, found: 2 }));
}
