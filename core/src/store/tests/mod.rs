extern crate std;

mod flash;
mod misuse;
mod power;
mod transfer;

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use flash::{FlashError, Nor, Random};

use super::{Store, StoreError};
use crate::Embedding;

const FINGERPRINT: u32 = 0x1234_5678;
/// Values of an embedding in most tests.
const D: usize = 5;
/// Words of 4 bytes; a block is one page of three slots.
type Flash = Nor<4, 256>;
type Items<const D: usize> = BTreeMap<u32, (String, [f32; D])>;

fn open<const W: usize, const P: usize, const D: usize>(
    flash: &mut Nor<W, P>,
) -> Result<Store<&mut Nor<W, P>, D>, StoreError<FlashError>> {
    let end = flash.bytes.len() as u32;
    Store::open_for(flash, 0..end, FINGERPRINT)
}

fn small(flash: &mut Flash) -> Store<&mut Flash, D> {
    open(flash).unwrap()
}

fn unit_vector<const D: usize>(random: &mut Random) -> [f32; D] {
    let mut values = core::array::from_fn(|_| (random.next() >> 40) as f32 / 1e7 - 0.5);
    Embedding::normalize(&mut values).unwrap();
    values
}

fn embedding(values: &[f32]) -> Embedding<'_> {
    Embedding::from_slice(values).unwrap()
}

fn items<const W: usize, const P: usize, const D: usize>(
    store: &mut Store<&mut Nor<W, P>, D>,
) -> Items<D> {
    let mut items = BTreeMap::new();
    let mut visited = 0;
    store
        .for_each(|item| {
            visited += 1;
            let values = item.embedding.try_into().unwrap();
            items.insert(item.id, (item.label.to_string(), values));
        })
        .unwrap();
    assert_eq!(visited, items.len(), "an item is there twice");
    assert_eq!(store.len(), Ok(visited as u32));
    items
}

/// Enrols items with labels "0", "1" ... and gives their ids.
fn enrol(store: &mut Store<&mut Flash, D>, count: u32) -> Vec<u32> {
    let mut random = Random(u64::from(count));
    (0..count)
        .map(|i| store.enrol(&i.to_string(), &embedding(&unit_vector::<D>(&mut random))).unwrap())
        .collect()
}
