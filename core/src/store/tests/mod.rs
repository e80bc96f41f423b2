extern crate std;

#[allow(dead_code, reason = "tests beside the crate use it, too")]
mod flash;
mod misuse;
mod power;
mod transfer;

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use flash::{FlashError, Nor, Random};

use super::{Store, StoreError};
use crate::code::sealed::Sealed;
use crate::{Code, Embedding, F32, Projected, U8};

const FINGERPRINT: u32 = 0x1234_5678;
/// Values of an embedding in most tests.
const D: usize = 5;
/// Words of 4 bytes; a block is one page of three slots.
type Flash = Nor<4, 256>;
type Items<const D: usize, C = F32> = BTreeMap<u32, (String, [<C as Sealed>::Word; D])>;

/// A code of which the tests make embeddings.
trait Sample: Code {
    fn sample<const D: usize>(random: &mut Random) -> [Self::Word; D];
}

impl Sample for F32 {
    fn sample<const D: usize>(random: &mut Random) -> [f32; D] {
        unit_vector(random)
    }
}

impl Sample for U8 {
    fn sample<const D: usize>(random: &mut Random) -> [u32; D] {
        let means: Vec<u32> = (0..4 * (D - 1)).map(|_| random.next() as u32).collect();
        let mut words = [0; D];
        crate::code::encode_means(&means, &mut words);
        words
    }
}

fn open<const W: usize, const P: usize, const D: usize, C: Code>(
    flash: &mut Nor<W, P>,
) -> Result<Store<&mut Nor<W, P>, D, C>, StoreError<FlashError>> {
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

fn embedding<C: Code>(words: &[C::Word]) -> Embedding<'_, C> {
    Embedding::from_slice(words).unwrap()
}

fn items<const W: usize, const P: usize, const D: usize, C: Code>(
    store: &mut Store<&mut Nor<W, P>, D, C>,
) -> Items<D, C> {
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
