//! What callers and a damaged flash can do wrong.

extern crate std;

use core::ops::Range;
use std::string::ToString;
use std::vec;

use super::*;
use crate::store::{self, erase};

#[test]
fn a_full_store_says_so_and_stays_intact() {
    let mut flash = Flash::new(4);
    let mut store = small(&mut flash);
    assert_eq!(store.capacity(), 9);
    assert_eq!(Store::<Flash, D>::capacity_of(4 * 256), 9);
    let ids = enrol(&mut store, 9);
    let before = items(&mut store);
    let values = unit_vector::<D>(&mut Random(1));
    assert_eq!(store.enrol("more", &embedding(&values)), Err(StoreError::Full));
    assert_eq!(items(&mut store), before);
    // Removal needs no room; compaction gives it back.
    for &id in &ids {
        store.remove(id).unwrap();
        let new = store.enrol("more", &embedding(&values)).unwrap();
        assert!(new > *ids.last().unwrap());
    }
    assert_eq!(store.enrol("more", &embedding(&values)), Err(StoreError::Full));
    assert_eq!(small(&mut flash).len(), Ok(9));
}

#[test]
fn ids_are_not_given_twice() {
    let mut flash = Flash::new(3);
    let mut next = 0;
    for round in 0..20 {
        let mut store = small(&mut flash);
        for id in enrol(&mut store, 1 + round % 6) {
            assert_eq!(id, next);
            next += 1;
        }
        let ids: Vec<u32> = items(&mut store).into_keys().collect();
        for id in ids {
            store.remove(id).unwrap();
            assert_eq!(store.remove(id), Err(StoreError::UnknownId));
        }
        // Nothing of the old ids is left in flash but the next one.
        store.compact().unwrap();
        assert_eq!(store.is_empty(), Ok(true));
    }
}

#[test]
fn reserved_ids_survive_a_failure() {
    let mut flash = Flash::new(3);
    let mut store = small(&mut flash);
    store.reserve_ids(100);
    assert_eq!(store.remove(0), Err(StoreError::UnknownId));
    assert_eq!(enrol(&mut store, 2), [100, 101]);
    store.reserve_ids(50);
    assert_eq!(enrol(&mut store, 1), [102]);
    assert_eq!(enrol(&mut small(&mut flash), 1), [103]);
}

#[test]
fn ids_run_out_without_reuse() {
    let mut flash = Flash::new(3);
    let mut store = small(&mut flash);
    store.reserve_ids(u32::MAX - 1);
    assert_eq!(enrol(&mut store, 1), [u32::MAX - 1]);
    let values = unit_vector::<D>(&mut Random(1));
    assert_eq!(store.enrol("none", &embedding(&values)), Err(StoreError::Ids));
    store.remove(u32::MAX - 1).unwrap();
    store.compact().unwrap();
    let mut store = small(&mut flash);
    assert_eq!(store.enrol("none", &embedding(&values)), Err(StoreError::Ids));
}

#[test]
fn another_models_store_is_refused_until_it_is_erased() {
    let mut flash = Flash::new(3);
    enrol(&mut small(&mut flash), 4);
    let before = flash.bytes.clone();
    let other = StoreError::OtherModel { expected: 1, found: FINGERPRINT };
    assert_eq!(Store::<_, D>::open_for(&mut flash, 0..768, 1).err(), Some(other));
    assert_eq!(
        other.to_string(),
        "the enrolments were made with another model: fingerprint 12345678 instead of 00000001"
    );
    let dimension = StoreError::Dimension { expected: D + 1, found: D };
    assert_eq!(
        Store::<_, { D + 1 }>::open_for(&mut flash, 0..768, FINGERPRINT).err(),
        Some(dimension)
    );
    assert_eq!(flash.bytes, before);
    erase(&mut flash, 0..768).unwrap();
    let mut store = Store::<_, D>::open_for(&mut flash, 0..768, 1).unwrap();
    assert_eq!(store.is_empty(), Ok(true));
    assert_eq!(enrol(&mut store, 1), [0]);
}

#[test]
fn regions_that_do_not_suit_are_refused() {
    let mut flash = Flash::new(4);
    let backwards = Range { start: 256, end: 0 };
    for range in [0..256, 0..0, backwards.clone(), 0..500, 128..768, 0..1280, 1024..1536] {
        let error = Store::<_, D>::open_for(&mut flash, range.clone(), FINGERPRINT).err();
        assert_eq!(error, Some(StoreError::Region), "{range:?}");
    }
    assert_eq!(erase(&mut flash, 0..100), Err(StoreError::Region));
    assert_eq!(erase(&mut flash, backwards), Err(StoreError::Region));
    assert_eq!(erase(&mut flash, 0..2048), Err(StoreError::Region));
    // No dimension, and words longer than what is written at once.
    assert_eq!(Store::<_, 0>::open_for(&mut flash, 0..768, 1).err(), Some(StoreError::Region));
    let mut wide = Nor::<256, 1024>::new(4);
    assert_eq!(Store::<_, D>::open_for(&mut wide, 0..4096, 1).err(), Some(StoreError::Region));
    assert_eq!(Store::<Nor<256, 1024>, D>::capacity_of(4096), 0);
    // A region in the middle leaves the rest alone.
    let mut store = Store::<_, D>::open_for(&mut flash, 256..768, FINGERPRINT).unwrap();
    enrol(&mut store, 3);
    assert!(flash.bytes[..256].iter().chain(&flash.bytes[768..]).all(|&byte| byte == 0xFF));
}

#[test]
fn labels_and_embeddings_are_checked() {
    let mut flash = Flash::new(3);
    let mut store = small(&mut flash);
    let values = unit_vector::<D>(&mut Random(1));
    let longest = "ä".repeat(16);
    let id = store.enrol(&longest, &embedding(&values)).unwrap();
    assert_eq!(store.label(id).unwrap().unwrap().as_str(), longest);
    assert_eq!(store.label(id + 1).unwrap(), None);
    assert_eq!(store.enrol(&"x".repeat(33), &embedding(&values)), Err(StoreError::Label));
    assert_eq!(store.enrol(&"x".repeat(300), &embedding(&values)), Err(StoreError::Label));
    let short = StoreError::Dimension { expected: D, found: D - 1 };
    assert_eq!(store.enrol("short", &embedding(&values[1..])), Err(short));
    assert!(store.search::<3>(&embedding(&values[1..])).unwrap().is_empty());
    assert_eq!(store.len(), Ok(1));
}

#[test]
fn search_equals_that_of_a_gallery_in_ram() {
    let mut flash = Flash::new(6);
    let mut store = small(&mut flash);
    let ids = enrol(&mut store, 12);
    store.remove(ids[5]).unwrap();
    let all = items(&mut store);
    let mut random = Random(3);
    for _ in 0..50 {
        let query = unit_vector::<D>(&mut random);
        let mut expected = crate::Matches::<4>::new();
        for (&id, (_, values)) in &all {
            let distance = crate::squared_distance(&query, values);
            expected.insert(crate::Match { id, distance });
        }
        assert_eq!(store.search::<4>(&embedding(&query)), Ok(expected));
    }
}

#[test]
fn random_bytes_never_panic_and_erase_recovers() {
    let mut random = Random(11);
    for round in 0..2000 {
        let mut flash = Flash::new(4);
        enrol(&mut small(&mut flash), 7);
        let damage = random.below(5);
        for (i, byte) in flash.bytes.iter_mut().enumerate() {
            let noise = random.next();
            match damage {
                0 => *byte = noise as u8,
                1 if noise.is_multiple_of(50) => *byte = (noise >> 8) as u8,
                2 if i / 256 == round % 4 => *byte = 0,
                3 if i % 256 < 36 => *byte = (noise >> 8) as u8,
                4 if noise.is_multiple_of(500) => *byte ^= 1 << (noise >> 8 & 7),
                _ => {}
            }
        }
        // Either an error, or a store whose items are among those enrolled.
        if let Ok(mut store) = open::<4, 256, D, F32>(&mut flash) {
            assert!(items(&mut store).into_iter().all(|(id, (label, _))| label == id.to_string()));
            let values = unit_vector::<D>(&mut random);
            let _ = store.enrol("new", &embedding(&values));
            let _ = store.compact();
            let _ = store.search::<2>(&embedding(&values));
        }
        let mut fresh = flash.clone();
        erase(&mut fresh, 0..1024).unwrap();
        let mut store = small(&mut fresh);
        assert_eq!(store.is_empty(), Ok(true));
        assert_eq!(enrol(&mut store, 9).len(), 9);
    }
}

#[test]
fn foreign_data_is_refused() {
    let mut flash = Flash::new(3);
    flash.bytes = vec![0; 768];
    assert_eq!(open::<4, 256, D, F32>(&mut flash).err(), Some(StoreError::Corrupted));
    assert!(flash.bytes.iter().all(|&byte| byte == 0));
}

#[test]
fn a_newer_version_is_refused() {
    let mut flash = Flash::new(3);
    enrol(&mut small(&mut flash), 1);
    for (version, code) in [(2, 0), (1, 9)] {
        let header = store::layout::Header {
            version,
            code,
            fingerprint: FINGERPRINT,
            dimension: D as u32,
            sequence: 0,
            next_id: 0,
            replaces: None,
        };
        flash.bytes[..32].copy_from_slice(&header.encode());
        let expected = match version {
            2 => StoreError::Version { found: 2, newest: 1 },
            _ => StoreError::Code { found: 9 },
        };
        assert_eq!(open::<4, 256, D, F32>(&mut flash).err(), Some(expected));
    }
}

#[test]
fn another_codes_store_is_refused() {
    let mut flash = Flash::new(3);
    enrol(&mut small(&mut flash), 2);
    let before = flash.bytes.clone();
    let error = Store::<_, D, U8>::open_for(&mut flash, 0..768, FINGERPRINT).err();
    assert_eq!(error, Some(StoreError::Code { found: 0 }));
    assert_eq!(flash.bytes, before);

    let mut flash = Flash::new(3);
    let mut store = Store::<_, D, U8>::open_for(&mut flash, 0..768, FINGERPRINT).unwrap();
    let words = U8::sample::<D>(&mut Random(1));
    store.enrol("cup", &embedding(&words)).unwrap();
    let short = [0; D - 1];
    let refused = StoreError::Dimension { expected: D, found: D - 1 };
    assert_eq!(store.enrol("short", &embedding(&short)), Err(refused));
    let mut bytes = Vec::new();
    store.export(|piece| bytes.extend_from_slice(piece)).unwrap();
    let error = open::<4, 256, D, F32>(&mut flash).err();
    assert_eq!(error, Some(StoreError::Code { found: 1 }));
    let mut other = Flash::new(3);
    let refused = small(&mut other).import(&bytes, |_, _| unreachable!());
    assert_eq!(refused, Err(StoreError::Code { found: 1 }));
}

#[test]
fn u8_searches_rank_as_those_of_a_gallery() {
    let mut flash = Flash::new(6);
    let mut store = Store::<_, D, U8>::open_for(&mut flash, 0..6 * 256, FINGERPRINT).unwrap();
    let mut random = Random(5);
    let mut gallery = crate::Gallery::<'_, 12, D, U8>::empty();
    for i in 0..12 {
        // Every fourth item is the one before: ties.
        if i % 4 != 3 {
            random.next();
        }
        let words = U8::sample::<D>(&mut random.clone());
        let id = store.enrol("", &embedding(&words)).unwrap();
        gallery.enrol_with_id(id, "", &embedding(&words)).unwrap();
    }
    store.remove(7).unwrap();
    gallery.remove(7).unwrap();
    for _ in 0..20 {
        let words = U8::sample::<D>(&mut random);
        let query = embedding::<U8>(&words);
        assert_eq!(store.search::<4>(&query), Ok(gallery.search(&query)));
    }
}

/// The table in `docs/store.md`.
#[test]
fn capacities_are_as_documented() {
    const KIB: u32 = 1024;
    let regions = [16 * KIB, 64 * KIB, 256 * KIB];
    type Sectors = Nor<4, 4096>;
    type SmallPages = Nor<2, 1024>;
    assert_eq!(regions.map(Store::<Sectors, 256>::capacity_of), [9, 45, 189]);
    assert_eq!(regions.map(Store::<SmallPages, 256>::capacity_of), [9, 45, 189]);
    assert_eq!(regions.map(Store::<Sectors, 64>::capacity_of), [39, 195, 819]);
    assert_eq!(regions.map(Store::<Sectors, { U8::words(256) }, U8>::capacity_of), [39, 195, 819]);
    assert_eq!(
        regions.map(Store::<SmallPages, { U8::words(256) }, U8>::capacity_of),
        [45, 189, 765]
    );
    let projected = regions.map(Store::<Sectors, { Projected::words(32) }, Projected>::capacity_of);
    assert_eq!(projected, [144, 720, 3024]);
    assert_eq!(Store::<Sectors, 256>::BLOCK_LEN, 4096);
    assert_eq!(Store::<SmallPages, 256>::BLOCK_LEN, 4096);
    for (layout, slot_len) in [
        (store::layout::Layout::new::<Sectors>(256), 1072),
        (store::layout::Layout::new::<SmallPages>(256), 1072),
        (store::layout::Layout::new::<Sectors>(64), 304),
    ] {
        assert_eq!(layout.unwrap().slot_len(), slot_len);
    }
    let size = size_of::<Store<&mut Sectors, 256>>();
    assert!(size <= 80, "{size} bytes");
}

#[test]
fn every_errors_sentence() {
    for (error, sentence) in [
        (StoreError::Flash(FlashError::OutOfBounds), "flash: OutOfBounds"),
        (StoreError::Region, "the store's region does not suit the flash"),
        (
            StoreError::Dimension { expected: 3, found: 4 },
            "the store holds embeddings of 3 words, not 4",
        ),
        (
            StoreError::Version { found: 2, newest: 1 },
            "the enrolments have version 2, the newest supported is 1",
        ),
        (StoreError::Code { found: 9 }, "the enrolments have code 9, which was not asked for"),
        (StoreError::Corrupted, "the store's region holds something else"),
        (StoreError::Verify, "the flash did not keep what was written"),
        (StoreError::Full, "the store is full"),
        (StoreError::Label, "a label can have at most 32 bytes"),
        (StoreError::Ids, "the store has used up its ids"),
        (StoreError::UnknownId, "there is no item with this id"),
        (StoreError::NotAnExport, "these bytes are not an export of a store"),
        (StoreError::DamagedExport, "the export is damaged or incomplete"),
    ] {
        assert_eq!(error.to_string(), sentence);
    }
}

/// A cell that cannot be programmed is told, and the next enrolment goes elsewhere.
#[test]
fn what_the_flash_does_not_keep_is_not_confirmed() {
    let mut flash = Flash::new(3);
    enrol(&mut small(&mut flash), 1);
    let second_slot = 36 + 68;
    flash.stuck = Some(second_slot + 10);
    let mut store = small(&mut flash);
    let values = unit_vector::<D>(&mut Random(1));
    assert_eq!(store.enrol("bad", &embedding(&values)), Err(StoreError::Verify));
    assert_eq!(store.len(), Ok(1));
    assert_eq!(store.enrol("good", &embedding(&values)), Ok(1));
    assert_eq!(items(&mut small(&mut flash))[&1].0, "good");
}
