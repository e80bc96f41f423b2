//! The file of `--save`: what was enrolled on the page.
//!
//! One postcard message with a CRC-32 behind it, as a checkpoint is. It holds
//! pictures, not embeddings, so that it outlives the model.

use std::path::{Path, PathBuf};

use lookalike::Shape;
use serde::{Deserialize, Serialize};

use crate::files::{AlignedBytes, ReadError, WriteError, write_atomically};

const MAGIC: [u8; 8] = *b"LKENROLD";
const VERSION: u8 = 1;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Why what was enrolled cannot be kept or had back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It is none of this program's, or not a whole one.
    #[error("{}: {why}; give another file to --save", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// Another version of this program has written it.
    #[error("{}: of version {found}, the newest that this program reads is {newest}; use the program that wrote it, or give another file to --save", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The newest version that is read.
        newest: u8,
    },
}

/// One item: what it is called, and the network's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedItem {
    pub name: String,
    pub pixels: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    magic: [u8; 8],
    version: u8,
    /// Height, width, channels.
    shape: [u32; 3],
    items: Vec<SavedItem>,
}

fn numbers(shape: Shape) -> [u32; 3] {
    [shape.height, shape.width, shape.channels].map(|n| n as u32)
}

/// Writes all items, atomically.
///
/// # Errors
/// When the file cannot be written; what was there before stays.
pub fn save(path: &Path, shape: Shape, items: Vec<SavedItem>) -> Result<(), SavedError> {
    let saved = Saved { magic: MAGIC, version: VERSION, shape: numbers(shape), items };
    let bytes =
        postcard::to_allocvec_crc32(&saved, CRC.digest()).expect("a vector can be extended");
    Ok(write_atomically(path, |writer| writer.write_all(&bytes))?)
}

/// Reads what [`save`] wrote; nothing if there is no such file yet.
///
/// # Errors
/// When the file cannot be read, is of another kind or version, is damaged, or
/// holds pictures of another size.
pub fn load(path: &Path, shape: Shape) -> Result<Vec<SavedItem>, SavedError> {
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(Vec::new());
    }
    let content = |why| SavedError::Content { path: path.to_owned(), why };
    let bytes = AlignedBytes::read_if(path, |head| head.starts_with(&MAGIC))?;
    match bytes.strip_prefix(&MAGIC) {
        None => return Err(content("not a file of things enrolled on the page")),
        Some([VERSION, ..]) => {}
        Some(&[found, ..]) => {
            return Err(SavedError::Version { path: path.to_owned(), found, newest: VERSION });
        }
        Some([]) => return Err(content("the file is damaged")),
    }
    let saved: Saved = postcard::from_bytes_crc32(&bytes, CRC.digest())
        .map_err(|_| content("the file is damaged"))?;
    if saved.shape != numbers(shape) {
        return Err(content("its pictures are not of the network's size"));
    }
    if saved.items.iter().any(|item| item.pixels.len() != shape.len()) {
        return Err(content("the file contradicts itself"));
    }
    Ok(saved.items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::files::{CodeKind, LoadedModel, NewModel, NewParameters, faults};
    use crate::nn::Parameters;
    use crate::rng::{Purpose, stream};
    use crate::serve::finder::Room;
    use crate::serve::{Enrolled, Finder, FinderError, Stock};
    use lookalike::Network;
    use std::io::ErrorKind;

    const SHAPE: Shape = Shape { height: 2, width: 3, channels: 1 };

    #[test]
    fn what_was_saved_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        assert_eq!(load(&path, SHAPE).unwrap(), []);
        let item = |name: &str, value| SavedItem { name: name.into(), pixels: vec![value; 6] };
        let items = vec![item("müg", 3), item("key", 200)];
        save(&path, SHAPE, items.clone()).unwrap();
        assert_eq!(load(&path, SHAPE).unwrap(), items);

        let other = Shape { width: 6, height: 1, channels: 1 };
        let error = load(&path, other).unwrap_err().to_string();
        assert!(error.contains("not of the network's size"), "{error}");
    }

    /// What was confirmed is kept and found; what was not is neither.
    #[test]
    fn a_fault_in_any_operation_changes_nothing_of_what_is_enrolled() {
        let shape = Shape { height: 18, width: 18, channels: 1 };
        let network = Network::new([1, 18, 18], [2, 3, 4], 1, 0).unwrap();
        let parameters = Parameters::random(&network, &mut stream(1, Purpose::Initialisation, 0));
        let model = LoadedModel::new(&NewModel {
            parameters: NewParameters::F32(&parameters),
            class_names: &[],
            acceptance: None,
            self_test_images: &[],
        });
        let pixels = (0..4 * shape.len()).map(|i| (i * i % 251) as u8).collect();
        let class_names = vec!["a".into()];
        let data = Dataset { shape, pixels, labels: vec![0; 4], class_names };
        let stock = Stock::of_data(vec![model.unwrap()], &data).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let mut room = Room::default();
        let mut finder = Finder::new(&stock, &mut room, 10, Some(path.clone())).unwrap();
        let picture = |i: usize| data.image(i).to_vec();
        let first = finder.enrol("first", picture(1)).unwrap();
        let (file, about) = (std::fs::read(&path).unwrap(), finder.about());

        let mut faults = 0;
        for working in 0.. {
            let fail = |work: &mut dyn FnMut() -> Result<Enrolled, FinderError>| {
                faults::with(working, true, ErrorKind::StorageFull, work)
            };
            let (enrolled, failed) = fail(&mut || finder.enrol("second", picture(2)));
            if failed {
                let (removed, _) = fail(&mut || finder.remove(first.id));
                for result in [enrolled, removed] {
                    let message = result.unwrap_err().to_string();
                    assert!(message.contains("x: cannot write the file"), "{message}");
                }
                assert_eq!(finder.about(), about);
                assert_eq!(std::fs::read(&path).unwrap(), file);
                assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
                let found = finder.search(CodeKind::F32, 10, &picture(2)).unwrap();
                assert_eq!(found.matches.len(), 5);
                faults += 2;
                continue;
            }
            enrolled.unwrap();
            finder.remove(first.id).unwrap();
            break;
        }
        assert_eq!(faults, 8);
        let names: Vec<_> = load(&path, shape).unwrap().into_iter().map(|i| i.name).collect();
        assert_eq!(names, ["second"]);
    }

    /// Version 1: magic, version, height, width, channels, one item, its name,
    /// its pixels, and the CRC-32.
    const V1: &[u8] = b"LKENROLD\x01\x02\x03\x01\x01\x04m\xc3\xbcg\x06\x01\x02\x03\x04\x05\xff";
    const V1_SUM: u32 = 0x01172131;

    #[test]
    fn version_1_is_read_and_a_newer_one_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let item = SavedItem { name: "müg".into(), pixels: vec![1, 2, 3, 4, 5, 255] };
        std::fs::write(&path, [V1, &V1_SUM.to_le_bytes()].concat()).unwrap();
        assert_eq!(load(&path, SHAPE).unwrap(), [item]);

        let mut newer = V1.to_vec();
        newer[8] = 2;
        newer.extend(CRC.checksum(&newer).to_le_bytes());
        std::fs::write(&path, newer).unwrap();
        let error = load(&path, SHAPE).unwrap_err().to_string();
        assert!(error.contains("of version 2, the newest that this program reads is 1"), "{error}");
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        save(&path, SHAPE, vec![SavedItem { name: "a".into(), pixels: vec![7; 6] }]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(load(&path, SHAPE).is_err(), "{cut}");
        }
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            assert!(load(&path, SHAPE).is_err(), "{bit}");
        }
    }
}
