//! Gallery files of integer codes: fixtures of version 1, and every way in which
//! they are refused.

mod common;

use common::{Aligned, noise};
use lookalike::gallery::{self, GalleryContents};
use lookalike::{
    Binary, Code, Coder, Embedding, EmbeddingError, F32, FileError, GalleryFile, GalleryFileError,
    Projected, TwoStage, U8, include_gallery,
};

static U8_V1: &[u8] = include_gallery!("fixtures/v1.u8.gallery");
static PROJECTED_V1: &[u8] = include_gallery!("fixtures/v1.projected.gallery");
static BINARY_V1: &[u8] = include_gallery!("fixtures/v1.binary.gallery");
static TWO_STAGE_V1: &[u8] = include_gallery!("fixtures/v1.two-stage.gallery");

/// Values of an embedding: not a multiple of 4 or 32.
const DIMENSION: usize = 37;
const OUTPUTS: usize = 6;
const FINGERPRINT: u32 = 0x0dba_9926;
const NAMES: &str = "cup\nT\u{fc}te";

/// First words of the first items.
const FIRST_U8: [u32; 3] = [0x237b_1ba6, 0x2da1_a804, 0x6446_f92f];
const FIRST_PROJECTED: [u32; 3] = [0x5f2d_bacd, 0xf3b0_0b7f, 0x0000_e5b2];
const FIRST_BINARY: [u32; 2] = [0xca24_97a6, 0];

/// The words of three items in each code.
struct Words {
    u8: Vec<u32>,
    projected: Vec<u32>,
    binary: Vec<u32>,
    two_stage: Vec<u32>,
}

fn words() -> Words {
    let mut noise = noise(13);
    let mut take = |n: usize| noise.by_ref().take(n).collect::<Vec<f32>>();
    let thresholds: Vec<u16> = take(DIMENSION).iter().map(|v| (v.abs() * 22e3) as u16).collect();
    let weights: Vec<i8> = take(DIMENSION * OUTPUTS).iter().map(|v| (v * 127.0) as i8).collect();
    let offsets: Vec<i32> = take(OUTPUTS).iter().map(|v| (v * 1e6) as i32).collect();
    let coder = Coder::new(DIMENSION, &thresholds, &weights, &offsets).unwrap();
    let (mut u8, mut projected, mut binary, mut two_stage) = (vec![], vec![], vec![], vec![]);
    for _ in 0..3 {
        let mut values: Vec<f32> = take(DIMENSION).iter().map(|v| v.abs()).collect();
        let values = Embedding::normalize(&mut values).unwrap();
        let mut words = vec![0; U8::words(DIMENSION)];
        let embedding = U8::encode(&values, &mut words).unwrap();
        u8.extend(embedding.as_slice());
        let mut words = vec![0; Projected::words(OUTPUTS)];
        projected.extend(coder.project(&embedding, &mut words).unwrap().as_slice());
        let mut words = vec![0; Binary::words(DIMENSION)];
        binary.extend(coder.binarize(&embedding, &mut words).unwrap().as_slice());
        let mut words = vec![0; TwoStage::words(DIMENSION)];
        two_stage.extend(coder.two_stage(&embedding, &mut words).unwrap().as_slice());
    }
    Words { u8, projected, binary, two_stage }
}

fn contents<C: Code>(dimension: usize, embeddings: &[C::Word]) -> GalleryContents<'_, C> {
    let labels = &[1, 0, 1];
    GalleryContents { fingerprint: FINGERPRINT, dimension, names: NAMES, labels, embeddings }
}

fn file<C: Code<Word = u32>>(dimension: usize, embeddings: &[u32]) -> Vec<u8> {
    let contents = contents::<C>(dimension, embeddings);
    let mut out = vec![0xAA; gallery::file_len(&contents).unwrap()];
    assert_eq!(gallery::write(&contents, &mut out), Ok(out.len()));
    out
}

#[test]
fn written_bytes_are_the_fixtures() {
    let words = words();
    for (name, written, fixture) in [
        ("u8", file::<U8>(DIMENSION, &words.u8), U8_V1),
        ("projected", file::<Projected>(OUTPUTS, &words.projected), PROJECTED_V1),
        ("binary", file::<Binary>(DIMENSION, &words.binary), BINARY_V1),
        ("two-stage", file::<TwoStage>(DIMENSION, &words.two_stage), TWO_STAGE_V1),
    ] {
        assert_eq!(written, fixture, "{name}");
    }
}

fn check_values<C: Code<Word = u32>>(bytes: &[u8], dimension: usize, expected: &[u32]) {
    let file = GalleryFile::<C>::from_bytes(bytes).unwrap();
    assert_eq!((file.fingerprint(), file.dimension(), file.len()), (FINGERPRINT, dimension, 3));
    assert_eq!(file.label(1), Some("cup"));
    assert!(file.embeddings().eq(expected.chunks(file.words())));
    for words in file.embeddings() {
        assert!(Embedding::<C>::from_slice(words).is_ok());
    }
}

#[test]
fn fixtures_have_their_values() {
    let words = words();
    check_values::<U8>(U8_V1, DIMENSION, &words.u8);
    check_values::<Projected>(PROJECTED_V1, OUTPUTS, &words.projected);
    check_values::<Binary>(BINARY_V1, DIMENSION, &words.binary);
    check_values::<TwoStage>(TWO_STAGE_V1, DIMENSION, &words.two_stage);
    // The first items, as numbers.
    assert_eq!(words.u8[..3], FIRST_U8);
    assert_eq!(words.projected[..3], FIRST_PROJECTED);
    assert_eq!(words.binary[..2], FIRST_BINARY);
    assert_eq!(words.two_stage[..13], *[&FIRST_BINARY[..], &words.u8[..11]].concat());
    // The file is its head, filled up to a multiple of 16, the words, and the checksum.
    assert_eq!(U8_V1[9..19], [1, 0x26, 0x99, 0xba, 0x0d, 37, 3, 9, b'c', b'u']);
    let body: &[u8] = bytemuck::cast_slice(&words.u8);
    assert_eq!(U8_V1[U8_V1.len() - 4 - body.len()..U8_V1.len() - 4], *body);
}

fn error<C: Code>(bytes: &[u8]) -> Option<GalleryFileError> {
    GalleryFile::<C>::from_bytes(bytes).err()
}

#[test]
fn damaged_files_are_refused() {
    for (bytes, error) in [
        (U8_V1, error::<U8> as fn(&[u8]) -> Option<GalleryFileError>),
        (PROJECTED_V1, error::<Projected>),
        (BINARY_V1, error::<Binary>),
        (TWO_STAGE_V1, error::<TwoStage>),
    ] {
        assert_eq!(error(bytes), None);
        for len in 0..bytes.len() {
            let truncated = Some(FileError::Truncated.into());
            assert_eq!(error(Aligned::new(&bytes[..len]).bytes()), truncated);
        }
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(error(Aligned::new(&damaged).bytes()).is_some(), "bit {bit}");
        }
    }
}

#[test]
fn other_codes_are_told() {
    assert_eq!(error::<F32>(U8_V1), Some(GalleryFileError::Code { found: 1 }));
    assert_eq!(error::<U8>(PROJECTED_V1), Some(GalleryFileError::Code { found: 2 }));
    assert_eq!(error::<TwoStage>(BINARY_V1), Some(GalleryFileError::Code { found: 3 }));
    assert_eq!(error::<Binary>(TWO_STAGE_V1), Some(GalleryFileError::Code { found: 4 }));
}

/// Bytes exchanged, under a right checksum.
fn patched(bytes: &[u8], at: usize, value: u8) -> Aligned {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    let content = bytes.len() - 4;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
    Aligned::new(&bytes)
}

#[test]
fn impossible_embeddings_are_refused() {
    let refused = Some(GalleryFileError::Embedding(EmbeddingError::Code));
    let end = |bytes: &[u8]| bytes.len() - 4;
    // The last word of the last item holds one value and three bytes of padding.
    let (u8, both) = (end(U8_V1), end(TWO_STAGE_V1));
    for back in 1..4 {
        assert_eq!(error::<U8>(patched(U8_V1, u8 - back, 1).bytes()), refused);
        assert_eq!(error::<TwoStage>(patched(TWO_STAGE_V1, both - back, 1).bytes()), refused);
    }
    // Padding under a norm that fits it: the embedding is one of 38 values.
    let mut words = words();
    let values: &mut [u8] = bytemuck::cast_slice_mut(&mut words.u8[1..11]);
    values[37] = 1;
    let squares: u64 = values.iter().map(|&value| u64::from(value).pow(2)).sum();
    words.u8[0] = (2f64.powi(39) / (squares as f64).sqrt()) as u32;
    let fits = contents::<U8>(38, &words.u8);
    assert!(gallery::file_len(&fits).is_ok());
    let padded = contents::<U8>(DIMENSION, &words.u8);
    assert_eq!(gallery::file_len(&padded).err(), refused);
    // The last bit beyond 37, and the inverse norm, and values.
    let binary = end(BINARY_V1);
    assert_eq!(error::<Binary>(patched(BINARY_V1, binary - 4, 0x20).bytes()), refused);
    assert_eq!(error::<Binary>(patched(BINARY_V1, binary - 4, 0x1F).bytes()), None);
    for at in [u8 - 44, u8 - 41, u8 - 40] {
        let wrong = patched(U8_V1, at, U8_V1[at] ^ 0x40);
        assert_eq!(error::<U8>(wrong.bytes()), refused, "byte {at}");
    }
    let projected = end(PROJECTED_V1);
    for at in [projected - 12, projected - 8, projected - 1] {
        let wrong = patched(PROJECTED_V1, at, PROJECTED_V1[at] ^ 0x80);
        assert_eq!(error::<Projected>(wrong.bytes()), refused, "byte {at}");
    }
    // Another dimension: other words.
    let dimension = 14;
    let wrong = patched(U8_V1, dimension, 41);
    assert_eq!(error::<U8>(wrong.bytes()), Some(GalleryFileError::Embeddings));
    assert_eq!(
        error::<U8>(patched(U8_V1, dimension, 0).bytes()),
        Some(GalleryFileError::Dimension)
    );
}
