//! Model and gallery files: fixtures of version 1, round trips, and every way
//! in which they are refused.

mod common;

use common::{Aligned, image, model_file, networks, noise, open, parameters};
use lookalike::gallery::{self, GalleryContents};
use lookalike::{
    EmbeddingError, Encoding, F32, FileError, FileKind, GalleryFile, GalleryFileError, Model,
    ModelError, Network, include_gallery, include_model, model,
};
use proptest::prelude::*;

static MODEL_V1: &[u8] = include_model!("fixtures/v1.model");
static GALLERY_V1: &[u8] = include_gallery!("fixtures/v1.gallery");

/// The network of the fixtures.
fn small() -> Network {
    Network::new([2, 18, 19], [3, 9, 4], 3, 2).unwrap()
}

fn small_contents(embeddings: &[f32]) -> GalleryContents<'_> {
    GalleryContents {
        fingerprint: FINGERPRINT,
        dimension: 36,
        names: "cup\nTüte",
        labels: &[1, 0, 1],
        embeddings,
    }
}

/// Fingerprint of the model fixture.
const FINGERPRINT: u32 = 0;

fn small_embeddings() -> Vec<f32> {
    noise(11).take(3 * 36).map(|v| v / 6.0).collect()
}

fn gallery_file(contents: &GalleryContents<'_>) -> Aligned {
    let mut out = vec![0xAA; gallery::file_len(contents).unwrap()];
    assert_eq!(gallery::write(contents, &mut out), Ok(out.len()));
    Aligned::new(&out)
}

/// Copies a file with bytes exchanged and the checksum made right again.
fn patched(file: &[u8], patch: impl FnOnce(&mut [u8])) -> Aligned {
    let mut bytes = file.to_vec();
    let content = bytes.len() - 4;
    patch(&mut bytes[..content]);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
    Aligned::new(&bytes)
}

#[test]
fn written_bytes_are_the_fixtures() {
    let file = model_file(&small(), "cup\nTüte", &parameters(&small(), 7));
    assert_eq!(file.bytes(), MODEL_V1);
    let embeddings = small_embeddings();
    assert_eq!(gallery_file(&small_contents(&embeddings)).bytes(), GALLERY_V1);
}
