//! Why a data set cannot be had.

use std::io;
use std::path::PathBuf;

use lookalike::{Network, Shape};

use super::folder::FolderError;
use super::idx::IdxProblem;

/// Why a data set cannot be loaded or selected from. Each message is one
/// complete sentence or two: the file, what is wrong with it, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be read as IDX.
    #[error("{}: {problem}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IdxProblem,
    },
    /// A folder of pictures cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Images that are not scaled have another shape than is wanted.
    #[error(
        "{data}: the images are {} (height x width x channels), but {} is wanted, and only pictures in folders are scaled: use data of that shape, or write these as pictures with `trainer unpack`",
        dimensions(*have), dimensions(*want)
    )]
    Shape {
        /// What `--data` names.
        data: String,
        /// The images' shape.
        have: Shape,
        /// The wanted one.
        want: Shape,
    },
    /// A fraction of images that are divided already.
    #[error("{data}: --test-fraction goes with folders of pictures only; leave it out")]
    Fraction {
        /// What `--data` names.
        data: String,
    },
    /// A directory cannot be listed.
    #[error("{}: cannot list the directory: {cause}; `--data` takes `mnist`, a directory of IDX files, or one with a folder of pictures for each class", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file that a split needs is not in the directory.
    #[error("{}: no file with the {wanted}, named like `{example}` (with or without .gz), and no folder of pictures; found {}", path.display(), listing(found))]
    Missing {
        /// The directory.
        path: PathBuf,
        /// What the file would hold.
        wanted: String,
        /// A name that would be recognised.
        example: String,
        /// The names in the directory.
        found: Vec<String>,
    },
    /// Several files could be the one that a split needs.
    #[error("{}: several files could be the {wanted}: {}; keep one data set to a directory", path.display(), listing(candidates))]
    Ambiguous {
        /// The directory.
        path: PathBuf,
        /// What the file would hold.
        wanted: String,
        /// The names that match.
        candidates: Vec<String>,
    },
    /// An image file and its label file have different lengths.
    #[error("{} has {image_count} images but {} has {label_count} labels; take both files from the same data set", images.display(), labels.display())]
    Counts {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// Images declared.
        image_count: usize,
        /// Labels declared.
        label_count: usize,
    },
    /// There is no image in the file.
    #[error("{}: holds no image; download or export the data set again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The images are outside the network family.
    #[error(
        "{}: images of {height}x{width} pixels with {channels} channels; a network takes {} to {} pixels a side and 1 to {} channels, so scale the images first",
        path.display(), Network::MIN_SIDE, Network::MAX_SIDE, Network::MAX_CHANNELS
    )]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// A label is not one of the training split's classes.
    #[error("{}: label {index} is {label}, but the classes are 0 to {}; take all files from the same data set", path.display(), classes.saturating_sub(1))]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// Which label.
        index: usize,
        /// Its value.
        label: u16,
        /// Number of classes; a label must be below it.
        classes: usize,
    },
    /// A class was asked for that the data set does not have.
    #[error("there is no class {class}: the data set has {classes} classes, 0 to {}", classes.saturating_sub(1))]
    UnknownClass {
        /// The class asked for.
        class: u16,
        /// Number of classes.
        classes: usize,
    },
    /// A class was asked for that the data set does not have.
    #[error(
        "there is no class `{class}`: the classes are {}, or their numbers from 0",
        listing(classes)
    )]
    NoSuchClass {
        /// As it was given.
        class: String,
        /// The names of those that there are.
        classes: Vec<String>,
    },
    /// There are not enough training images for a validation split.
    #[error(
        "the training images cannot be divided into `fit` and `validation`: that takes a class \
         with at least {least} images; the largest has {largest}"
    )]
    TooFewToDivide {
        /// Images of the largest class.
        largest: usize,
        /// How many it must have.
        least: usize,
    },
    /// A selection of classes leaves no image.
    #[error("the chosen classes leave no image; choose or keep at least one class that has images")]
    EmptySelection,
}

/// A shape as it is written on the command line.
fn dimensions(shape: Shape) -> String {
    format!("{}x{}x{}", shape.height, shape.width, shape.channels)
}

/// Names for a message: the first few, and how many more there are.
fn listing(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "nothing".to_string(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_listings_are_cut() {
        let names: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        assert_eq!(listing(&names), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        assert_eq!(listing(&names[..2]), "0, 1");
        assert_eq!(listing(&[]), "nothing");
    }
}
