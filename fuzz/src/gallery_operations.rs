//! Enrolments, removals and searches of a gallery in RAM, against a list.

use arbitrary::Unstructured;
use lookalike::gallery::{MAX_LABEL, SliceGallery, Slot};
use lookalike::{
    Embedding, F32, Gallery, GalleryError, GalleryFile, Match, Model, squared_distance,
};

use crate::{F32_GALLERY, F32_MODEL};

const DIMENSION: usize = 64;
const CAPACITY: usize = 6;

/// What the gallery must hold: the items in RAM by id.
struct Expected {
    items: Vec<(u32, String, [f32; DIMENSION])>,
    first: u32,
    next: u32,
}

/// Does with both kinds of gallery what the bytes say.
pub fn run(data: &[u8]) {
    let model = Model::<F32>::from_bytes(F32_MODEL).expect("a model");
    let mut input = Unstructured::new(data);
    let file = input.ratio(1, 2).unwrap_or(false);
    let file = file.then(|| GalleryFile::from_bytes(F32_GALLERY).expect("a gallery"));
    let first = file.map_or(0, |file| file.len() as u32);
    let mut expected = Expected { items: Vec::new(), first, next: first };
    let mut owned = Gallery::<'_, CAPACITY, DIMENSION>::new(&model, file).expect("its own file");
    let (mut slots, mut words) = ([Slot::EMPTY; CAPACITY], [0.0; CAPACITY * DIMENSION]);
    let mut lent = SliceGallery::<F32>::new(&model, file, &mut slots, &mut words).expect("alike");
    while !input.is_empty() {
        if step(&mut input, &mut owned, &mut lent, &mut expected, file).is_err() {
            break;
        }
    }
}

fn step(
    input: &mut Unstructured<'_>,
    owned: &mut Gallery<'_, CAPACITY, DIMENSION>,
    lent: &mut SliceGallery<'_, '_>,
    expected: &mut Expected,
    file: Option<GalleryFile<'_>>,
) -> arbitrary::Result<()> {
    match input.int_in_range(0..=5)? {
        0 | 1 => {
            let (label, values) = item(input)?;
            let embedding = Embedding::from_slice(&values).expect("of norm 1");
            let found = owned.enrol(&label, &embedding);
            assert_eq!(found, lent.enrol(&label, &embedding));
            let id = expected.next;
            assert_eq!(found, expected.insert(id, label, values).map(|()| id));
        }
        2 => {
            let (label, values) = item(input)?;
            let id = id(input)?;
            let embedding = Embedding::from_slice(&values).expect("of norm 1");
            let found = owned.enrol_with_id(id, &label, &embedding);
            assert_eq!(found, lent.enrol_with_id(id, &label, &embedding));
            assert_eq!(found, expected.insert(id, label, values));
        }
        3 => {
            let id = id(input)?;
            let found = owned.remove(id);
            assert_eq!(found, lent.remove(id));
            let place = expected.items.iter().position(|item| item.0 == id);
            assert_eq!(
                found,
                match place {
                    _ if id < expected.first => Err(GalleryError::ReadOnly),
                    None => Err(GalleryError::UnknownId),
                    Some(place) => {
                        expected.items.remove(place);
                        Ok(())
                    }
                }
            );
        }
        4 => {
            let (_, values) = item(input)?;
            let embedding = Embedding::from_slice(&values).expect("of norm 1");
            let mut all: Vec<Match> = (expected.items.iter())
                .map(|(id, _, item)| (*id, item.as_slice()))
                .chain((0..).zip(file.iter().flat_map(|file| file.embeddings())))
                .map(|(id, item)| Match { id, distance: squared_distance(&values, item) })
                .collect();
            all.sort_by(Match::rank);
            all.truncate(9);
            let mut room = [Match { id: 0, distance: 0.0 }; 9];
            assert_eq!(owned.search::<9>(&embedding).as_slice(), all);
            assert_eq!(lent.search(&embedding, &mut room).as_slice(), all);
        }
        _ => {
            let id = id(input)?;
            let label = expected.items.iter().find(|item| item.0 == id).map(|item| &*item.1);
            let label = label.or_else(|| file.and_then(|file| file.label(id)));
            assert_eq!(owned.label(id), label);
            assert_eq!(lent.label(id), label);
        }
    }
    let len = expected.items.len() + expected.first as usize;
    assert_eq!([owned.len(), lent.len()], [len; 2]);
    assert_eq!([owned.iter().count(), lent.iter().count()], [len; 2]);
    Ok(())
}

impl Expected {
    fn insert(
        &mut self,
        id: u32,
        label: String,
        values: [f32; DIMENSION],
    ) -> Result<(), GalleryError> {
        if label.len() > MAX_LABEL {
            return Err(GalleryError::Label);
        }
        let next = id.checked_add(1).ok_or(GalleryError::Ids)?;
        if id < self.first {
            return Err(GalleryError::ReadOnly);
        }
        if self.items.iter().any(|item| item.0 == id) {
            return Err(GalleryError::DuplicateId);
        }
        if self.items.len() == CAPACITY {
            return Err(GalleryError::Full);
        }
        self.items.push((id, label, values));
        self.next = self.next.max(next);
        Ok(())
    }
}

/// An id that is likely to be in use, or any.
fn id(input: &mut Unstructured<'_>) -> arbitrary::Result<u32> {
    Ok(if input.ratio(7, 8)? { input.int_in_range(0..=70)? } else { input.arbitrary()? })
}

/// A label, mostly short enough, and an embedding of few different values:
/// equal distances are to be met.
fn item(input: &mut Unstructured<'_>) -> arbitrary::Result<(String, [f32; DIMENSION])> {
    let label = "é".repeat(input.int_in_range(0..=17)?);
    let mut values = [0.0; DIMENSION];
    for _ in 0..3 {
        let place = input.choose_index(DIMENSION)?;
        values[place] = f32::from(input.int_in_range(-2i8..=2)?);
    }
    Embedding::normalize(&mut values).expect("small numbers");
    Ok((label, values))
}
