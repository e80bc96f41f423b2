//! Many enrolments, removals and searches of a store on emulated flash: its
//! contents never drift from an ordered map's, and its blocks wear evenly.
#![cfg(feature = "store")]

#[allow(dead_code, unused_extern_crates, reason = "a file of the core's unit tests")]
#[path = "../src/store/tests/flash.rs"]
mod flash;

use std::collections::BTreeMap;

use flash::{Nor, Random};
use lookalike::{
    Embedding, F32, Match, Matches, Model, Store, StoreError, include_model, squared_distance,
};

static MODEL: &[u8] = include_model!("fixtures/v1.model");

/// Values of an embedding of the model: 188 bytes a slot, 21 slots a block.
const D: usize = 36;
const PAGE: usize = 4096;
const PAGES: usize = 6;

type Flash = Nor<4, PAGE>;
type Items = BTreeMap<u32, (String, [f32; D])>;

#[test]
fn twenty_thousand_operations() {
    soak(20_000);
}

#[test]
#[ignore = "takes minutes"]
fn a_million_operations() {
    soak(1_000_000);
}

fn soak(operations: u32) {
    let model = Model::<F32>::from_bytes(MODEL).unwrap();
    let mut flash = Flash::new(PAGES);
    let region = 0..(PAGES * PAGE) as u32;
    let mut store: Store<_, D> = Store::open(&mut flash, region.clone(), &model).unwrap();
    let mut random = Random(2);
    let mut expected = Items::new();
    let mut next_id = 0;
    let [mut enrolled, mut removed, mut searched, mut full, mut restarts] = [0u32; 5];
    for _ in 0..operations {
        match random.below(100) {
            0..45 => {
                let label = "\u{e4}".repeat(random.below(17));
                let values = unit_vector(&mut random);
                match store.enrol(&label, &Embedding::from_slice(&values).unwrap()) {
                    Ok(id) => {
                        assert_eq!(id, next_id);
                        next_id += 1;
                        expected.insert(id, (label, values));
                        enrolled += 1;
                    }
                    Err(error) => {
                        assert_eq!(error, StoreError::Full);
                        assert_eq!(expected.len() as u32, store.capacity());
                        full += 1;
                    }
                }
            }
            45..85 => {
                let nth = random.below(expected.len().max(1));
                let id = expected.keys().nth(nth).copied().unwrap_or(next_id);
                let was_there = expected.remove(&id).is_some();
                let result = if was_there { Ok(()) } else { Err(StoreError::UnknownId) };
                assert_eq!(store.remove(id), result);
                removed += u32::from(was_there);
            }
            85..99 => {
                let query = unit_vector(&mut random);
                let mut nearest = Matches::<5>::new();
                for (&id, (_, values)) in &expected {
                    nearest.insert(Match { id, distance: squared_distance(&query, values) });
                }
                assert_eq!(store.search(&Embedding::from_slice(&query).unwrap()), Ok(nearest));
                searched += 1;
            }
            _ => {
                store = Store::open(&mut flash, region.clone(), &model).unwrap();
                restarts += 1;
            }
        }
        // Every item, in no particular order.
        let mut left = expected.len();
        let visit = store.for_each(|item| {
            let (label, values) = &expected[&item.id];
            assert!(item.label == label && item.embedding == values, "item {}", item.id);
            left -= 1;
        });
        visit.unwrap();
        assert_eq!(left, 0, "items are lost");
    }
    println!(
        "{operations} operations: {enrolled} enrolments, {full} refused as full, {removed} \
         removals, {searched} searches, {restarts} restarts"
    );
    check_wear(&flash.wear, enrolled);
}

/// Erases of each page: all pages are used, and none much more than others.
fn check_wear(wear: &[u32], enrolled: u32) {
    let mut wear = wear.to_vec();
    wear.sort_unstable();
    let (min, median, max) = (wear[0], wear[wear.len() / 2], wear[wear.len() - 1]);
    let each = f64::from(wear.iter().sum::<u32>()) / f64::from(enrolled);
    println!("erases a page: {min} to {max}, median {median}; {each:.3} an enrolment");
    assert!(min > 0 && f64::from(max) < 1.5 * f64::from(min), "{wear:?}");
}

fn unit_vector(random: &mut Random) -> [f32; D] {
    let mut values = std::array::from_fn(|_| (random.next() >> 40) as f32 / 1e7 - 0.5);
    Embedding::normalize(&mut values).unwrap();
    values
}
