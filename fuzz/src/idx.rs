//! IDX files, plain and gzipped, alone and as a data set.

use std::fs;
use std::path::Path;

use lookalike_trainer::data::idx::Idx;
use lookalike_trainer::data::{Source, Split};

/// Gzip makes at most 1032 bytes of one: this keeps a file's content below 8 MB.
const MOST: usize = 8 << 10;

/// Reads the bytes as one file, then as the images and the labels of a data
/// set: the first two bytes say how many of them are images.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    if let Ok(idx) = Idx::from_reader(Path::new("file"), data) {
        let len = idx.dimensions().iter().product::<usize>();
        if let Ok(elements) = idx.read() {
            assert_eq!(elements.len(), len);
        }
    }
    let Some((split, rest)) = data.split_first_chunk::<2>() else { return };
    let (images, labels) = rest.split_at(usize::from(u16::from_le_bytes(*split)).min(rest.len()));
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder");
    }
    let loaded = FOLDER.with(|folder| {
        let write = |name, bytes| fs::write(folder.path().join(name), bytes).expect("a file");
        write("train-images-idx3-ubyte", images);
        write("train-labels-idx1-ubyte", labels);
        Source::Directory(folder.path().to_owned()).load(Split::Train)
    });
    match loaded {
        Ok(set) => {
            assert_eq!(set.pixels.len(), set.len() * set.shape.len());
            assert!(set.labels.iter().all(|&label| usize::from(label) < set.class_count()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
