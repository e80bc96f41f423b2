//! Enrolments, removals and searches of a store on flash whose power is cut at
//! times, against an ordered map.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use lookalike::{Embedding, F32, Match, Matches, Model, Store, StoreError, squared_distance};

use crate::F32_MODEL;
use crate::flash::{FlashError, Nor};

/// Values of an embedding of [`F32_MODEL`].
pub const DIMENSION: usize = 64;
/// Pages of the region: three blocks, of which one is kept free.
const PAGES: usize = 12;

/// An emulated flash with words of 4 bytes and pages of 256.
pub type Flash = Nor<4, 256>;
type Opened<'f> = Store<&'f mut Flash, DIMENSION>;
type Values = [f32; DIMENSION];
/// What a store must hold.
pub type Items = BTreeMap<u32, (String, Values)>;

/// What is done to a store.
enum Operation {
    Enrol(String, Values),
    Remove(u32),
    Compact,
    Reserve(u32),
    Search(Values),
    Transfer,
}

/// Does what the bytes say.
pub fn run(data: &[u8]) {
    let model = Model::<F32>::from_bytes(F32_MODEL).expect("a model");
    let mut flash = Flash::new(PAGES);
    let mut expected = Expected::default();
    let mut input = Unstructured::new(data);
    while !input.is_empty() {
        let Ok((operation, power)) = read(&mut input) else { break };
        let before = expected.clone();
        if let Some(steps) = power {
            flash = flash.with_power(steps);
        }
        let done = open(&mut flash, &model).and_then(|mut store| {
            store.reserve_ids(expected.first);
            expected.apply(&mut store, &operation)
        });
        flash.restart();
        let found = items(&mut open(&mut flash, &model).expect("what a power cut leaves"));
        match done {
            Ok(()) => assert_eq!(found, expected.items),
            Err(StoreError::Flash(FlashError::PowerCut)) => {
                expected = before;
                expected.settle(&operation, found);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn open<'f>(
    flash: &'f mut Flash,
    model: &Model<'_, F32>,
) -> Result<Opened<'f>, StoreError<FlashError>> {
    let end = flash.bytes.len() as u32;
    Store::open(flash, 0..end, model)
}

fn items(store: &mut Opened<'_>) -> Items {
    let mut items = Items::new();
    let mut visited = 0;
    let visit = store.for_each(|item| {
        visited += 1;
        let values = item.embedding.try_into().expect("the store's dimension");
        items.insert(item.id, (item.label.to_owned(), values));
    });
    visit.expect("the power is on");
    assert_eq!(visited, items.len(), "an item is there twice");
    items
}

#[derive(Clone, Default)]
struct Expected {
    items: Items,
    /// Ids below this are reserved.
    first: u32,
    /// Ids below this were given.
    next: u32,
}

impl Expected {
    fn apply(
        &mut self,
        store: &mut Opened<'_>,
        operation: &Operation,
    ) -> Result<(), StoreError<FlashError>> {
        match operation {
            Operation::Enrol(label, values) => {
                let full = self.items.len() as u32 == store.capacity();
                match store.enrol(label, &embedding(values)) {
                    Err(StoreError::Full) if full => {}
                    Err(StoreError::Label) if label.len() > 32 => {}
                    result => {
                        let id = result?;
                        assert!(!full && id >= self.next.max(self.first), "id {id} again");
                        self.next = id + 1;
                        self.items.insert(id, (label.clone(), *values));
                    }
                }
            }
            Operation::Remove(id) => match store.remove(*id) {
                Err(StoreError::UnknownId) => assert!(!self.items.contains_key(id)),
                result => {
                    result?;
                    assert!(self.items.remove(id).is_some(), "there was no item {id}");
                }
            },
            Operation::Compact => store.compact()?,
            Operation::Reserve(first) => {
                store.reserve_ids(*first);
                self.first = self.first.max(*first);
            }
            Operation::Search(query) => {
                let mut nearest = Matches::<4>::new();
                for (&id, (_, values)) in &self.items {
                    nearest.insert(Match { id, distance: squared_distance(query, values) });
                }
                assert_eq!(store.search::<4>(&embedding(query))?, nearest);
            }
            Operation::Transfer => self.transfer(store)?,
        }
        assert_eq!(store.len()?, self.items.len() as u32);
        Ok(())
    }

    /// Exports the items and imports them into another store.
    fn transfer(&self, store: &mut Opened<'_>) -> Result<(), StoreError<FlashError>> {
        let mut export = Vec::new();
        store.export(|bytes| export.extend_from_slice(bytes))?;
        let model = Model::<F32>::from_bytes(F32_MODEL).expect("a model");
        let mut flash = Flash::new(PAGES);
        let mut other = open(&mut flash, &model).expect("an empty store");
        let mut ids = BTreeMap::new();
        let count = other.import(&export, |from, to| {
            ids.insert(to, from);
        });
        assert_eq!(count, Ok(self.items.len() as u32));
        let moved = items(&mut other).into_iter().map(|(id, item)| (ids[&id], item));
        assert_eq!(moved.collect::<Items>(), self.items);
        Ok(())
    }

    /// Takes over what an interrupted operation has done: all or nothing.
    fn settle(&mut self, operation: &Operation, found: Items) {
        match operation {
            Operation::Enrol(label, values) if found != self.items => {
                let (&id, _) = found.last_key_value().expect("items are lost");
                assert!(id >= self.next.max(self.first), "id {id} again");
                self.items.insert(id, (label.clone(), *values));
                self.next = id + 1;
            }
            Operation::Remove(id) if found != self.items => {
                self.items.remove(id);
            }
            Operation::Reserve(first) => self.first = self.first.max(*first),
            _ => {}
        }
        assert_eq!(found, self.items, "after an interrupted operation");
    }
}

fn embedding(values: &Values) -> Embedding<'_> {
    Embedding::from_slice(values).expect("of norm 1")
}

/// An operation and after how many steps the power is cut, if it is.
fn read(input: &mut Unstructured<'_>) -> arbitrary::Result<(Operation, Option<u64>)> {
    let power = match input.ratio(1, 3)? {
        true => Some(u64::from(input.int_in_range(0..=255u8)?)),
        false => None,
    };
    let operation = match input.int_in_range(0..=9)? {
        0..=3 => Operation::Enrol("ß".repeat(input.int_in_range(0..=17)?), values(input)?),
        4..=6 => Operation::Remove(input.int_in_range(0..=40)?),
        7 => Operation::Compact,
        8 => match input.int_in_range(0..=7)? {
            0 => Operation::Transfer,
            _ => Operation::Reserve(input.int_in_range(0..=50)?),
        },
        _ => Operation::Search(values(input)?),
    };
    Ok((operation, power))
}

fn values(input: &mut Unstructured<'_>) -> arbitrary::Result<Values> {
    let mut values = [0.0; DIMENSION];
    for _ in 0..2 {
        let place = input.choose_index(DIMENSION)?;
        values[place] = f32::from(input.int_in_range(-2i8..=2)?);
    }
    Embedding::normalize(&mut values).expect("small numbers");
    Ok(values)
}
