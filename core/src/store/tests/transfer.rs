//! Export and import.

extern crate std;

use std::string::ToString;
use std::vec::Vec;

use super::*;

fn export(flash: &mut Flash) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = small(flash).export(|piece| bytes.extend_from_slice(piece)).unwrap();
    assert_eq!(len, bytes.len());
    bytes
}

#[test]
fn items_move_between_devices() {
    let mut from = Flash::new(4);
    let ids = enrol(&mut small(&mut from), 8);
    small(&mut from).remove(ids[3]).unwrap();
    let sent = items(&mut small(&mut from));
    let bytes = export(&mut from);

    let mut to = Flash::new(6);
    let mut store = small(&mut to);
    let kept = enrol(&mut store, 2);
    let mut renamed = Vec::new();
    assert_eq!(store.import(&bytes, |old, new| renamed.push((old, new))), Ok(7));
    let received = items(&mut small(&mut to));
    assert_eq!(received.len(), 9);
    assert_eq!(renamed.len(), 7);
    for (old, new) in renamed {
        assert!(!kept.contains(&new));
        assert_eq!(received[&new], sent[&old]);
    }
}

#[test]
fn the_format_is_pinned() {
    let mut flash = Nor::<4, 256>::new(2);
    let mut store = Store::<_, 2>::open_for(&mut flash, 0..512, FINGERPRINT).unwrap();
    store.reserve_ids(7);
    store.enrol("cup", &embedding(&[0.6, 0.8])).unwrap();
    let mut bytes = Vec::new();
    store.export(|piece| bytes.extend_from_slice(piece)).unwrap();
    let expected = [
        b"LKENROL\0".as_slice(),
        &[1, 0, 0, 0],
        &[0x78, 0x56, 0x34, 0x12],
        &[2, 0, 0, 0],
        &[1, 0, 0, 0],
        &[7, 0, 0, 0],
        b"\x03cup",
        &0.6f32.to_le_bytes(),
        &0.8f32.to_le_bytes(),
    ]
    .concat();
    let (content, crc) = bytes.split_at(bytes.len() - 4);
    assert_eq!(content, expected);
    assert_eq!(crc, crate::store::layout::checksum(&[&expected]).to_le_bytes());
}

#[test]
fn integer_codes_are_moved_word_by_word() {
    let mut flash = Nor::<4, 256>::new(2);
    let mut store = Store::<_, 2, U8>::open_for(&mut flash, 0..512, FINGERPRINT).unwrap();
    let words = [0x8080_8080, 255];
    let mut wrong = [0, 255];
    assert!(Embedding::<U8>::from_slice(&words).is_ok());
    store.enrol("cup", &embedding(&words)).unwrap();
    let mut bytes = Vec::new();
    store.export(|piece| bytes.extend_from_slice(piece)).unwrap();
    assert_eq!(bytes[9], 1);
    assert_eq!(bytes[32..40], *[words[0].to_le_bytes(), words[1].to_le_bytes()].concat());
    store.remove(0).unwrap();
    assert_eq!(store.import(&bytes, |_, _| {}), Ok(1));
    store.for_each(|item| wrong.copy_from_slice(item.embedding)).unwrap();
    assert_eq!(wrong, words);

    // An inverse norm that is not the values', under a right checksum.
    bytes[32] ^= 1;
    let content = bytes.len() - 4;
    let crc = crate::store::layout::checksum(&[&bytes[..content]]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(store.import(&bytes, |_, _| unreachable!()), Err(StoreError::DamagedExport));
}

#[test]
fn damaged_exports_are_refused_and_change_nothing() {
    let mut from = Flash::new(3);
    enrol(&mut small(&mut from), 3);
    let bytes = export(&mut from);
    let mut to = Flash::new(4);
    enrol(&mut small(&mut to), 1);
    let before = to.bytes.clone();
    let mut refused = |bytes: &[u8]| {
        let error = small(&mut to).import(bytes, |_, _| unreachable!()).unwrap_err();
        assert_eq!(to.bytes, before);
        error
    };
    for len in 0..bytes.len() {
        let expected = if len < 8 { StoreError::NotAnExport } else { StoreError::DamagedExport };
        assert_eq!(refused(&bytes[..len]), expected, "{len} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..8 => StoreError::NotAnExport,
            8 => StoreError::Version { found: damaged[8], newest: 1 },
            _ => StoreError::DamagedExport,
        };
        assert_eq!(refused(&damaged), expected);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(refused(&longer), StoreError::DamagedExport);

    // Wrong under a right checksum.
    let label_len = 28;
    for (at, value, expected) in [
        (9, 3, StoreError::Code { found: 3 }),
        (12, 0, StoreError::OtherModel { expected: FINGERPRINT, found: 0x1234_5600 }),
        (16, 6, StoreError::Dimension { expected: D, found: 6 }),
        (20, 2, StoreError::DamagedExport),
        (20, 4, StoreError::DamagedExport),
        (label_len, 33, StoreError::DamagedExport),
        (label_len, 255, StoreError::DamagedExport),
        (label_len + 1, 0xFF, StoreError::DamagedExport),
        // The exponent of a value: infinite, or a norm above 1.
        (label_len + 5, 0x7F, StoreError::DamagedExport),
    ] {
        let mut wrong = bytes.clone();
        wrong[at] = value;
        let content = wrong.len() - 4;
        let crc = crate::store::layout::checksum(&[&wrong[..content]]);
        wrong[content..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(refused(&wrong), expected, "byte {at} = {value}");
    }
}

#[test]
fn what_does_not_fit_is_not_begun() {
    let mut from = Flash::new(4);
    enrol(&mut small(&mut from), 9);
    let bytes = export(&mut from);
    let mut to = Flash::new(4);
    let first = enrol(&mut small(&mut to), 1)[0];
    let before = to.bytes.clone();
    let result = small(&mut to).import(&bytes, |_, _| unreachable!());
    assert_eq!(result, Err(StoreError::Full));
    assert_eq!(to.bytes, before);
    small(&mut to).remove(first).unwrap();
    let mut count = 0;
    assert_eq!(small(&mut to).import(&bytes, |_, _| count += 1), Ok(9));
    assert_eq!(count, 9);
    let labels: Vec<String> = items(&mut small(&mut to)).into_values().map(|(l, _)| l).collect();
    assert_eq!(labels.len(), 9);
    assert!(labels.contains(&8.to_string()));
}
