//! MNIST, compiled into the program so that it works without a download.

use std::path::Path;

use super::idx::Idx;
use super::{DataError, Dataset, labelled};

/// One of the four files: its name and content.
type BuiltIn = (&'static str, &'static [u8]);

macro_rules! built_in {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../data/mnist/", $name)).as_slice())
    };
}

const TRAIN_IMAGES: BuiltIn = built_in!("train-images-idx3-ubyte.gz");
const TRAIN_LABELS: BuiltIn = built_in!("train-labels-idx1-ubyte.gz");
const TEST_IMAGES: BuiltIn = built_in!("t10k-images-idx3-ubyte.gz");
const TEST_LABELS: BuiltIn = built_in!("t10k-labels-idx1-ubyte.gz");

/// The 60,000 training images: 28x28 grey pixels, light digits on black, 10
/// classes named `0` to `9`.
pub fn train() -> Dataset {
    load(TRAIN_IMAGES, TRAIN_LABELS)
}

/// The 10,000 test images, as [`train`].
pub fn test() -> Dataset {
    load(TEST_IMAGES, TEST_LABELS)
}

fn load(images: BuiltIn, labels: BuiltIn) -> Dataset {
    let open = |(name, bytes)| Idx::from_reader(Path::new(name), bytes);
    let set =
        || -> Result<Dataset, DataError> { labelled::load(open(images)?, open(labels)?, Some(10)) };
    set().expect("the built-in files are fixed at compile time and checked by a test")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn files_are_the_published_ones() {
        let readme = include_str!("../../data/mnist/README.md");
        for (name, bytes) in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
            let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert!(readme.contains(&format!("\n{hash}  {name}\n")), "{name} is {hash}");
        }
    }

    #[test]
    fn training_images_have_the_known_statistics() {
        let set = train();
        assert_eq!((set.len(), set.shape.len(), set.class_count()), (60_000, 784, 10));
        assert_eq!(set.labels[..8], [5, 0, 4, 1, 9, 2, 1, 3]);
        let mut per_class = [0; 10];
        set.labels.iter().for_each(|&label| per_class[usize::from(label)] += 1);
        assert_eq!(per_class, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
        let sum: u64 = set.pixels.iter().map(|&p| u64::from(p)).sum();
        let mean = sum as f64 / 255.0 / set.pixels.len() as f64;
        assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    }

    #[test]
    fn test_images_are_complete() {
        let set = test();
        assert_eq!((set.len(), set.shape.len(), set.class_count()), (10_000, 784, 10));
        assert_eq!(set.labels[..8], [7, 2, 1, 0, 4, 1, 4, 9]);
    }
}
