//! Files whose dimensions are extreme, under right checksums: no product of
//! them overflows, whatever the width of an address. Tests are built with
//! checks of overflow; `scripts/sanitizers.sh` runs them on i686, too.

mod common;

use common::Aligned;
use lookalike::model::{self, ModelPlan};
use lookalike::{
    Binary, Code, F32, GalleryFile, GalleryFileError, Int8, Model, Network, Packing, Projected,
    TwoStage, U8,
};

/// Seven bits a byte, least significant first.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A file whose body says that it has `body_len` bytes and has those of `body`.
fn file(magic: &[u8; 8], header: &[u8], body: &[u8], body_len: u64) -> Aligned {
    let mut bytes = [&magic[..], &[1], header].concat();
    let mut len = Vec::new();
    varint(body_len, &mut len);
    let padding = (bytes.len() + 1 + len.len()).next_multiple_of(16) - bytes.len() - 1 - len.len();
    bytes.push(padding as u8);
    bytes.extend(vec![0; padding]);
    bytes.extend(len);
    bytes.extend_from_slice(body);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes);
    bytes.extend(crc.to_le_bytes());
    Aligned::new(&bytes)
}

/// Values of a field around its limits and around those of 16 and 32 bits.
fn extremes(least: u64, most: u64) -> [u64; 10] {
    [0, least, least + 1, most, most + 1, 0x7FFF, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, u64::MAX]
}

/// Smallest and largest value of a network's dimensions, as a file lists them.
const FIELDS: [(u64, u64); 8] = [
    (1, Network::MAX_CHANNELS as u64),
    (Network::MIN_SIDE as u64, Network::MAX_SIDE as u64),
    (Network::MIN_SIDE as u64, Network::MAX_SIDE as u64),
    (1, Network::MAX_WIDTH as u64),
    (1, Network::MAX_WIDTH as u64),
    (1, Network::MAX_WIDTH as u64),
    (1, Network::MAX_GRID as u64),
    (0, Network::MAX_CLASSES as u64),
];

#[test]
fn extreme_networks_are_refused_without_their_parameters() {
    let mut files = 0;
    for first in 0..FIELDS.len() {
        for second in first + 1..FIELDS.len() {
            for others_largest in [false, true] {
                for a in extremes(FIELDS[first].0, FIELDS[first].1) {
                    for b in extremes(FIELDS[second].0, FIELDS[second].1) {
                        let mut fields = FIELDS.map(|(least, most)| match others_largest {
                            true => most,
                            false => least,
                        });
                        (fields[first], fields[second]) = (a, b);
                        check_network(fields);
                        files += 1;
                    }
                }
            }
        }
    }
    assert_eq!(files, 28 * 2 * 100);
}

fn check_network(fields: [u64; 8]) {
    for encoding in 0..=2 {
        let mut header = vec![encoding];
        fields.iter().for_each(|&field| varint(field, &mut header));
        // No names, the fingerprint, no threshold, no images.
        header.extend([0, 1, 2, 3, 4, 0, 0]);
        for (body, body_len) in [(&[0; 16][..], 16), (&[], u64::from(u32::MAX)), (&[], u64::MAX)] {
            let file = file(b"LKMODEL\0", &header, body, body_len);
            assert!(Model::<F32>::from_bytes(file.bytes()).is_err(), "{fields:?}");
            assert!(Model::<Int8>::from_bytes(file.bytes()).is_err(), "{fields:?}");
        }
    }
}

#[test]
fn the_largest_network_can_be_counted() {
    let largest = Network::new([16, 1024, 1024], [512; 3], 8, 4096).unwrap();
    for network in [largest, largest.without_classifier()] {
        let shapes = [network.input(), network.conv1(), network.pool1(), network.conv2()];
        assert!(shapes.iter().chain([&network.pool2(), &network.conv3()]).all(|s| !s.is_empty()));
        assert!(network.workspace_bytes() > 0 && network.multiply_accumulates()[1] > 1 << 32);
        assert!(model::layer_bytes(&network).iter().sum::<usize>() < 1 << 31);
        for packing in [Packing::Compact, Packing::Fast] {
            assert!(network.int8_workspace_bytes(packing) > 0);
            assert!(model::int8_layer_bytes(&network, packing).iter().sum::<usize>() < 1 << 31);
            let plan = ModelPlan { packing: Some(packing), ..ModelPlan::new(network) };
            assert!(plan.file_len().unwrap() < 1 << 31);
        }
        assert!(ModelPlan::new(network).file_len().unwrap() < 1 << 31);
    }
}

/// A projection or thresholds that have more values than memory.
#[test]
fn extreme_coders_are_refused() {
    let mut header = vec![1];
    [1u64, 18, 18, 1, 1, 1, 1, 0].iter().for_each(|&field| varint(field, &mut header));
    header.extend([0, 1, 2, 3, 4, 0, 0]);
    for outputs in [0, 1, 256, 257, 1 << 30, u32::MAX / 4 + 1, u32::MAX] {
        for thresholds in [0, 1, 2, 1 << 31, u32::MAX - 1, u32::MAX] {
            if (outputs, thresholds) == (0, 0) {
                continue;
            }
            let mut body: Vec<u8> = Vec::new();
            body.extend([outputs, thresholds, 0, 0].into_iter().flat_map(u32::to_le_bytes));
            // The three convolutions and nothing behind them.
            body.resize(16 + 4 * (3 + 2 + 9 + 2 + 9 + 2), 128);
            let file = file(b"LKMODEL\0", &header, &body, body.len() as u64);
            assert!(Model::<Int8>::from_bytes(file.bytes()).is_err(), "{outputs} {thresholds}");
        }
    }
}

#[test]
fn extreme_galleries_are_refused() {
    check_galleries::<F32>(|n| n);
    check_galleries::<U8>(|n| 1 + n.div_ceil(4));
    check_galleries::<Projected>(|n| 1 + n.div_ceil(4));
    check_galleries::<Binary>(|n| n.div_ceil(32));
    check_galleries::<TwoStage>(|n| n.div_ceil(32) + 1 + n.div_ceil(4));
}

fn check_galleries<C: Code>(words: impl Fn(u128) -> u128) {
    let sizes = [
        0,
        1,
        2,
        3,
        4,
        5,
        0x7FFF,
        0x8000,
        0x1_0000,
        0x1_0001,
        0x3FFF_FFFF,
        0x4000_0000,
        0x4000_0001,
        0x5555_5556,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFE1,
        0xFFFF_FFFD,
        0xFFFF_FFFF,
        1 << 32,
        u64::MAX,
    ];
    let mut opened = 0;
    for dimension in sizes {
        for items in sizes {
            // As many labels as items, if that is not more than a few.
            let labels = 2 * items.min(5);
            let mut header = vec![C::NUMBER];
            header.extend([1, 2, 3, 4]);
            varint(dimension, &mut header);
            varint(items, &mut header);
            // One empty name.
            header.push(0);
            header.push(labels as u8);
            header.extend(vec![0; labels as usize]);
            for body in [0usize, 4, 8, 12, 16, 32] {
                let file = file(b"LKGALRY\0", &header, &vec![0; body], body as u64);
                match GalleryFile::<C>::from_bytes(file.bytes()) {
                    Ok(file) => {
                        let bytes = 4 * u128::from(items) * words(dimension.into());
                        assert_eq!(bytes, body as u128, "{dimension} values, {items} items");
                        assert_eq!(file.embeddings().count() as u64, items);
                        opened += 1;
                    }
                    Err(GalleryFileError::Code { .. }) => panic!("it is the code's own"),
                    Err(_) => {}
                }
            }
        }
    }
    assert!(opened > 0, "some of them are galleries");
}
