//! The store's image on flash and its export: fixtures of version 1, and every
//! way in which they are damaged.
#![cfg(feature = "store")]

mod common;
#[allow(dead_code, unused_extern_crates, reason = "a file of the core's unit tests")]
#[path = "../src/store/tests/flash.rs"]
mod flash;

use std::collections::BTreeMap;

use common::noise;
use flash::{FlashError, Nor};
use lookalike::{Embedding, F32, Model, Store, StoreError, include_model};

static MODEL: &[u8] = include_model!("fixtures/v1.model");
static IMAGE: &[u8] = include_bytes!("fixtures/v1.store");
static EXPORT: &[u8] = include_bytes!("fixtures/v1.export");

/// Values of an embedding of the model.
const D: usize = 36;
const FINGERPRINT: u32 = 0x0dba_9926;
/// Three blocks of three pages, each for three items.
const PAGES: usize = 9;
const REGION: std::ops::Range<u32> = 0..PAGES as u32 * 256;

/// First values of the last item.
const FIRST_OF_PEN: [f32; 3] = [-0.07148308, 0.050427448, 0.23963329];

type Flash = Nor<4, 256>;
type Items = BTreeMap<u32, (String, [f32; D])>;
type Opened<'f> = Store<&'f mut Flash, D>;

fn open(flash: &mut Flash) -> Result<Opened<'_>, StoreError<FlashError>> {
    Store::open(flash, REGION, &Model::<F32>::from_bytes(MODEL).unwrap())
}

fn items(store: &mut Opened<'_>) -> Items {
    let mut items = Items::new();
    let visit = store.for_each(|item| {
        let values = item.embedding.try_into().unwrap();
        let before = items.insert(item.id, (item.label.to_owned(), values));
        assert_eq!(before, None, "item {} is there twice", item.id);
    });
    visit.unwrap();
    items
}

/// What the fixtures hold: six enrolments, of which the second and the fifth
/// were removed, and the first block with its removed item was compacted.
fn expected() -> Items {
    let mut noise = noise(23);
    let labels = ["cup", "gone", "T\u{fc}te", "", "gone too", "pen"];
    let mut all: Vec<(u32, (String, [f32; D]))> = (0..)
        .zip(labels)
        .map(|(id, label)| {
            let mut values = std::array::from_fn(|_| noise.next().unwrap());
            Embedding::normalize(&mut values).unwrap();
            (id, (label.to_owned(), values))
        })
        .collect();
    all.retain(|(_, (label, _))| !label.starts_with("gone"));
    all.into_iter().collect()
}

/// Writes the fixtures anew.
fn written() -> (Flash, Vec<u8>) {
    let mut flash = Flash::new(PAGES);
    let mut store = open(&mut flash).unwrap();
    let mut noise = noise(23);
    for (id, label) in (0..).zip(["cup", "gone", "T\u{fc}te", "", "gone too", "pen"]) {
        let mut values: [f32; D] = std::array::from_fn(|_| noise.next().unwrap());
        let embedding = Embedding::normalize(&mut values).unwrap();
        assert_eq!(store.enrol(label, &embedding), Ok(id));
    }
    store.remove(1).unwrap();
    store.compact().unwrap();
    store.remove(4).unwrap();
    let mut export = Vec::new();
    store.export(|bytes| export.extend_from_slice(bytes)).unwrap();
    (flash, export)
}

#[test]
fn written_bytes_are_the_fixtures() {
    let (flash, export) = written();
    assert_eq!(flash.bytes, IMAGE);
    assert_eq!(export, EXPORT);
}

#[test]
fn fixtures_have_their_values() {
    assert_eq!(Model::<F32>::from_bytes(MODEL).unwrap().fingerprint(), FINGERPRINT);
    let mut flash = Flash::holding(IMAGE, PAGES);
    let mut store = open(&mut flash).unwrap();
    assert_eq!(items(&mut store), expected());
    assert_eq!(store.label(2).unwrap().as_deref(), Some("T\u{fc}te"));
    // Ids go on behind those that were given.
    let pen = expected()[&5].1;
    let embedding = Embedding::from_slice(&pen).unwrap();
    assert_eq!(store.search::<1>(&embedding).unwrap()[0].id, 5);
    assert_eq!(store.enrol("new", &embedding), Ok(6));

    let mut empty = Flash::new(PAGES);
    let mut store = open(&mut empty).unwrap();
    let mut ids = Vec::new();
    assert_eq!(store.import(EXPORT, |from, to| ids.push((from, to))), Ok(4));
    let moved = ids.iter().map(|(from, to)| (*to, expected()[from].clone()));
    assert_eq!(items(&mut store), moved.collect());
    assert_eq!(pen[..3], FIRST_OF_PEN);
}

#[test]
fn every_damage_of_an_export_is_told() {
    let mut flash = Flash::new(PAGES);
    let mut store = open(&mut flash).unwrap();
    let mut import = |bytes: &[u8]| store.import(bytes, |_, _| panic!("nothing is enrolled"));
    for len in 0..EXPORT.len() {
        let error = import(&EXPORT[..len]).unwrap_err();
        assert!(matches!(error, StoreError::NotAnExport | StoreError::DamagedExport), "{error}");
    }
    for bit in 0..8 * EXPORT.len() {
        let mut damaged = EXPORT.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = import(&damaged).unwrap_err();
        match bit / 8 {
            0..8 => assert_eq!(error, StoreError::NotAnExport),
            8 => assert_eq!(error, StoreError::Version { found: damaged[8], newest: 1 }),
            _ => assert_eq!(error, StoreError::DamagedExport),
        }
    }
    let longer = [EXPORT, &[0]].concat();
    assert_eq!(import(&longer), Err(StoreError::DamagedExport));
    assert_eq!(store.is_empty(), Ok(true));
}

/// A bit that flips at rest loses at most the block that it is in, and never
/// changes what an item is or brings a removed one back.
#[test]
fn every_flipped_bit_of_an_image_loses_little_and_invents_nothing() {
    let whole = expected();
    let block = IMAGE.len() / 3;
    let in_block = |bit: usize| {
        let mut blank = Flash::holding(IMAGE, PAGES);
        let at = bit / 8 / block * block;
        blank.bytes[at..at + block].fill(0xFF);
        items(&mut open(&mut blank).unwrap())
    };
    let kept_at_least = [0, 1, 2].map(|i| in_block(8 * block * i));
    let mut kept_all = 0;
    for bit in 0..8 * IMAGE.len() {
        let mut damaged = IMAGE.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let mut flash = Flash::holding(&damaged, PAGES);
        let found = items(&mut open(&mut flash).unwrap());
        for (id, item) in &found {
            assert_eq!(Some(item), whole.get(id), "bit {bit}");
        }
        for id in kept_at_least[bit / 8 / block].keys() {
            assert!(found.contains_key(id), "bit {bit} loses item {id} of another block");
        }
        kept_all += usize::from(found == whole);
    }
    // What is blank and what was removed.
    assert!(kept_all > IMAGE.len(), "{kept_all}");
}

/// Exchanges a byte and makes the checksum, which lies at `sum`, right again.
fn patched(bytes: &[u8], at: usize, value: u8, sum: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..sum]);
    bytes[sum..sum + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn newer_versions_are_told_and_left_alone() {
    // The header's version and its checksum, as docs/store.md lists them.
    let block = IMAGE.len() / 3;
    let mut newer = IMAGE.to_vec();
    for start in [0, block, 2 * block] {
        if newer[start..].starts_with(b"LKST") {
            let header = patched(&newer[start..start + 32], 4, 2, 28);
            newer[start..start + 32].copy_from_slice(&header);
        }
    }
    let mut flash = Flash::holding(&newer, PAGES);
    let error = open(&mut flash).err().unwrap();
    assert_eq!(error, StoreError::Version { found: 2, newest: 1 });
    assert_eq!(error.to_string(), "the enrolments have version 2, the newest supported is 1");
    assert_eq!(flash.bytes, newer);

    let newer = patched(EXPORT, 8, 2, EXPORT.len() - 4);
    let mut flash = Flash::new(PAGES);
    let imported = open(&mut flash).unwrap().import(&newer, |_, _| {});
    assert_eq!(imported, Err(StoreError::Version { found: 2, newest: 1 }));
}
