//! The power is cut at every word written and every stage of every erase of
//! random sequences of operations; a `BTreeMap` says what must be there.

extern crate std;

use std::collections::BTreeMap;
use std::println;
use std::string::{String, ToString};
use std::vec::Vec;

use super::flash::{FlashError, Nor, Random};
use super::{Items, Sample, embedding, items, open};
use crate::code::sealed::Sealed;
use crate::store::{Store, StoreError};
use crate::{F32, U8};

#[derive(Clone, Debug)]
enum Operation<const D: usize, C: Sealed> {
    Enrol(String, [C::Word; D]),
    Remove(u32),
    Compact,
}

/// What was confirmed.
#[derive(Clone, Debug)]
struct Confirmed<const D: usize, C: Sealed> {
    items: Items<D, C>,
    /// Ids below this were given.
    next_id: u32,
}

impl<const D: usize, C: Sample> Confirmed<D, C> {
    fn random_operation(&self, random: &mut Random) -> Operation<D, C> {
        let ids: Vec<u32> = self.items.keys().copied().collect();
        match random.below(16) {
            0 => Operation::Compact,
            1..8 if !ids.is_empty() => Operation::Remove(ids[random.below(ids.len())]),
            _ => {
                let label = "ß".repeat(random.below(17));
                Operation::Enrol(label, C::sample(random))
            }
        }
    }

    /// Does what was confirmed; gives whether the store had room.
    fn apply<const W: usize, const P: usize>(
        &mut self,
        store: &mut Store<&mut Nor<W, P>, D, C>,
        operation: &Operation<D, C>,
    ) -> Result<(), StoreError<FlashError>> {
        match operation {
            Operation::Enrol(label, values) => {
                let full = self.items.len() as u32 == store.capacity();
                let id = match store.enrol(label, &embedding(values)) {
                    Err(StoreError::Full) if full => return Ok(()),
                    result => result?,
                };
                assert!(!full && id >= self.next_id, "id {id} was given before");
                self.next_id = id + 1;
                self.items.insert(id, (label.clone(), *values));
            }
            Operation::Remove(id) => {
                store.remove(*id)?;
                self.items.remove(id);
            }
            Operation::Compact => store.compact()?,
        }
        Ok(())
    }

    /// Takes over what an interrupted operation has done, which must be all or nothing.
    fn settle(&mut self, operation: &Operation<D, C>, found: &Items<D, C>) {
        if *found != self.items {
            match operation {
                Operation::Enrol(label, values) => {
                    let (&id, _) = found.last_key_value().expect("items are lost");
                    assert!(id >= self.next_id, "id {id} was given before");
                    self.items.insert(id, (label.clone(), *values));
                    self.next_id = id + 1;
                }
                Operation::Remove(id) => {
                    self.items.remove(id);
                }
                Operation::Compact => {}
            }
        }
        assert_eq!(*found, self.items, "after an interrupted {operation:?}");
    }

    /// After a restart: the items are there, and the store can be written.
    fn check<const W: usize, const P: usize>(
        &self,
        flash: &mut Nor<W, P>,
        operation: &Operation<D, C>,
    ) -> Self {
        let mut confirmed = self.clone();
        let mut store = open(flash).unwrap();
        confirmed.settle(operation, &items(&mut store));
        let result = confirmed.clone();

        let mut random = Random(9);
        if let Some((&id, _)) = confirmed.items.first_key_value() {
            confirmed.apply(&mut store, &Operation::Remove(id)).unwrap();
        }
        let new = Operation::Enrol("new".to_string(), C::sample(&mut random));
        confirmed.apply(&mut store, &new).unwrap();
        assert_eq!(items(&mut store), confirmed.items);
        assert_eq!(items::<W, P, D, C>(&mut open(flash).unwrap()), confirmed.items);
        result
    }
}

/// Runs sequences on a region of so many pages; gives the number of cut points.
fn cut_everywhere<const W: usize, const P: usize, const D: usize, C: Sample>(
    pages: usize,
    operations: usize,
    seed: u64,
) -> u64 {
    let mut random = Random(seed);
    let mut flash = Nor::<W, P>::new(pages);
    let mut confirmed = Confirmed::<D, C> { items: BTreeMap::new(), next_id: 0 };
    let mut cuts = 0;
    for _ in 0..operations {
        let operation = confirmed.random_operation(&mut random);
        let mut whole = flash.clone();
        let mut after = confirmed.clone();
        let mut store = open(&mut whole).unwrap();
        after.apply(&mut store, &operation).unwrap();
        assert_eq!(items(&mut store), after.items);
        let steps = whole.steps - flash.steps;

        let adopted = (random.below(4) == 0 && steps > 0).then(|| random.below(steps as usize));
        for cut in 0..steps {
            let mut torn = flash.with_power(cut);
            // A sequence that goes on from a torn state may fail at its recovery.
            let failed = open(&mut torn)
                .and_then(|mut store| confirmed.clone().apply(&mut store, &operation));
            assert_eq!(failed, Err(StoreError::Flash(FlashError::PowerCut)));
            torn.restart();
            cuts += 1;

            let mut recovered = torn.clone();
            open::<W, P, D, C>(&mut recovered).unwrap();
            for second_cut in 0..recovered.steps - torn.steps {
                let mut twice = torn.with_power(second_cut);
                let failed = open::<W, P, D, C>(&mut twice).err();
                assert_eq!(failed, Some(StoreError::Flash(FlashError::PowerCut)));
                twice.restart();
                cuts += 1;
                confirmed.check(&mut twice, &operation);
            }
            let settled = confirmed.check(&mut torn.clone(), &operation);
            // The sequence goes on from some of the torn states.
            if adopted == Some(cut as usize) {
                (whole, after) = (torn, settled);
                break;
            }
        }
        (flash, confirmed) = (whole, after);
    }
    assert!(flash.erases > 0);
    cuts
}

#[test]
fn nothing_confirmed_is_lost_wherever_the_power_is_cut() {
    let mut cuts = 0;
    for seed in 0..4 {
        for (name, found) in [
            ("words of 4, pages of 256", cut_everywhere::<4, 256, 5, F32>(4, 120, seed)),
            ("two blocks", cut_everywhere::<4, 256, 5, F32>(2, 60, seed)),
            ("words of 1", cut_everywhere::<1, 256, 2, F32>(3, 40, seed)),
            ("words of 2, items longer than a page", cut_everywhere::<2, 64, 9, F32>(16, 60, seed)),
            ("words of 8", cut_everywhere::<8, 512, 5, F32>(3, 120, seed)),
            ("words of 32", cut_everywhere::<32, 1024, 3, F32>(3, 120, seed)),
        ] {
            println!("{name}: {found} cut points");
            cuts += found;
        }
    }
    for seed in 0..2 {
        for (name, found) in [
            ("u8, words of 4", cut_everywhere::<4, 256, 5, U8>(4, 120, seed)),
            ("u8, words of 2", cut_everywhere::<2, 64, 3, U8>(8, 40, seed)),
        ] {
            println!("{name}: {found} cut points");
            cuts += found;
        }
    }
    cuts += cut_everywhere::<4, 1024, 65, U8>(3, 16, 1);
    cuts += cut_everywhere::<4, 4096, 256, F32>(3, 16, 1);
    cuts += cut_everywhere::<2, 1024, 256, F32>(8, 8, 2);
    println!("{cuts} cut points in all");
    assert!(cuts >= 10_000, "{cuts} cut points");
}
