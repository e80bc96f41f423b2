//! What `--data` names, and how the files of a split are found.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use lookalike::Shape;

use super::folder::{self, Folder, FolderOptions, TestFraction};
use super::idx::Idx;
use super::{DataError, Dataset, ImageFileError, labelled, mnist, validation};

/// The part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is learned from.
    Train,
    /// What is measured on.
    Test,
    /// The training images but those of `validation`: to learn from while
    /// settings are being chosen.
    Fit,
    /// One in six training images, taken in runs of each class's: to choose
    /// settings by, so that the test images stay unseen.
    Validation,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Fit => "fit",
            Split::Validation => "validation",
        })
    }
}

impl Split {
    /// The split that items are enrolled from when this one's images are the
    /// queries; `None` where the queries would be among them.
    pub fn enrolled_from(self) -> Option<Split> {
        match self {
            Split::Test => Some(Split::Train),
            Split::Validation => Some(Split::Fit),
            Split::Train | Split::Fit => None,
        }
    }
}

/// Where images come from: the value of `--data`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// MNIST, as compiled into the program.
    Mnist,
    /// A directory with four IDX files, gzipped or not, named as MNIST,
    /// Fashion-MNIST and EMNIST name theirs; or with a folder of pictures for
    /// each class, as [`Folder`] takes it.
    Directory(PathBuf),
}

/// How images are loaded; see [`FolderOptions`], which this becomes for a
/// folder of pictures.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions<'a> {
    /// The images' shape: pictures are scaled to it, images of other sources
    /// must have it.
    pub input: Option<Shape>,
    /// Names of classes that come first, for pictures; classes of other sources
    /// are named by their numbers.
    pub class_names: &'a [String],
    /// The share of pictures for testing; only for pictures.
    pub test_fraction: Option<TestFraction>,
    /// Leave out files that cannot be read as pictures.
    pub skip_unreadable: bool,
}

/// Images, and what was left out.
#[derive(Debug)]
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// What is wrong with each of the files that were skipped.
    pub skipped: Vec<ImageFileError>,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `mnist`, else a path (`./mnist` for a directory of that name).
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "mnist" => Source::Mnist,
            path => Source::Directory(PathBuf::from(path)),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Mnist => f.write_str("mnist"),
            Source::Directory(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// Loads one split as the options say.
    ///
    /// # Errors
    /// As [`Source::load`]; [`DataError::Folder`] for pictures;
    /// [`DataError::Shape`] and [`DataError::Fraction`] for options that go
    /// with pictures only.
    pub fn load_with(&self, split: Split, options: &LoadOptions<'_>) -> Result<Loaded, DataError> {
        if matches!(split, Split::Fit | Split::Validation) {
            let Loaded { dataset, skipped } = self.load_with(Split::Train, options)?;
            return Ok(Loaded { dataset: validation::part(&dataset, split)?, skipped });
        }
        if let Some(folder) = self.folder()? {
            let LoadOptions { input, class_names, test_fraction, skip_unreadable } = *options;
            let options = FolderOptions { input, class_names, test_fraction, skip_unreadable };
            let (dataset, skipped) = folder.load(split, &options)?;
            return Ok(Loaded { dataset, skipped });
        }
        if options.test_fraction.is_some() {
            return Err(DataError::Fraction { data: self.to_string() });
        }
        let dataset = self.load_files(split)?;
        match options.input {
            Some(want) if want != dataset.shape => {
                Err(DataError::Shape { data: self.to_string(), have: dataset.shape, want })
            }
            _ => Ok(Loaded { dataset, skipped: Vec::new() }),
        }
    }

    /// The directory of pictures that this is, if it is one: it has folders and
    /// no IDX file.
    ///
    /// # Errors
    /// [`DataError::Directory`] and [`DataError::Folder`].
    pub fn folder(&self) -> Result<Option<Folder>, DataError> {
        let Source::Directory(path) = self else { return Ok(None) };
        let is_idx = Listing::of(path)?.names.iter().any(|name| recognise(name).is_some());
        if is_idx || !folder::holds_folders(path) {
            return Ok(None);
        }
        Ok(Some(Folder::open(path)?))
    }

    /// Loads one split with the default options: pictures in the shape that
    /// [`Folder::shape`] finds, one in five for testing.
    ///
    /// # Errors
    /// A file is missing, ambiguous or damaged, or the files do not belong
    /// together; see [`DataError`].
    pub fn load(&self, split: Split) -> Result<Dataset, DataError> {
        Ok(self.load_with(split, &LoadOptions::default())?.dataset)
    }

    /// [`Split::Train`] or [`Split::Test`] of MNIST or of IDX files. Classes are
    /// named by their numbers, `0` to the largest label of the training split
    /// (of the test split where the directory has no training labels), so that
    /// both splits agree on them.
    fn load_files(&self, split: Split) -> Result<Dataset, DataError> {
        let path = match self {
            Source::Mnist if split == Split::Train => return Ok(mnist::train()),
            Source::Mnist => return Ok(mnist::test()),
            Source::Directory(path) => path,
        };
        let listing = Listing::of(path)?;
        let images = Idx::open(&listing.find(split, Content::Images)?)?;
        let labels = Idx::open(&listing.find(split, Content::Labels)?)?;
        let classes = match split {
            Split::Train | Split::Fit | Split::Validation => None,
            Split::Test => match listing.find(Split::Train, Content::Labels) {
                Ok(path) => Some(labelled::count_classes(Idx::open(&path)?)?),
                Err(DataError::Missing { .. }) => None,
                Err(error) => return Err(error),
            },
        };
        labelled::load(images, labels, classes)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Images,
    Labels,
}

/// The names in a directory, sorted.
struct Listing<'a> {
    path: &'a Path,
    names: Vec<String>,
}

impl<'a> Listing<'a> {
    fn of(path: &'a Path) -> Result<Self, DataError> {
        let names = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                // A name that is not Unicode is none that is looked for.
                names.extend(entry?.file_name().into_string());
            }
            names.sort();
            Ok(names)
        };
        match names() {
            Ok(names) => Ok(Listing { path, names }),
            Err(cause) => Err(DataError::Directory { path: path.to_path_buf(), cause }),
        }
    }

    /// The one file with this part of this split. Where a file is there both
    /// gzipped and unpacked, as torchvision leaves them, the unpacked one.
    fn find(&self, split: Split, content: Content) -> Result<PathBuf, DataError> {
        let mut candidates: Vec<&String> =
            self.names.iter().filter(|name| recognise(name) == Some((split, content))).collect();
        let all = candidates.clone();
        candidates.retain(|name| {
            !name.strip_suffix(".gz").is_some_and(|plain| all.iter().any(|other| *other == plain))
        });
        let path = self.path.to_path_buf();
        let wanted = || {
            let split = if split == Split::Test { "test" } else { "training" };
            let content = if content == Content::Images { "images" } else { "labels" };
            format!("{split} {content}")
        };
        match candidates.as_slice() {
            [name] => Ok(path.join(name)),
            [] => Err(DataError::Missing {
                path,
                wanted: wanted(),
                example: example(split, content),
                found: self.names.clone(),
            }),
            several => Err(DataError::Ambiguous {
                path,
                wanted: wanted(),
                candidates: several.iter().map(|name| name.to_string()).collect(),
            }),
        }
    }
}

/// MNIST's own name for a file.
fn example(split: Split, content: Content) -> String {
    let split = if split == Split::Test { "t10k" } else { "train" };
    let content = if content == Content::Images { "images-idx3" } else { "labels-idx1" };
    format!("{split}-{content}-ubyte")
}

/// What a file holds, by the words of its name: `train`, or `t10k` or `test`;
/// `images` and `idx3` (`idx4` for colour), or `labels` and `idx1`.
fn recognise(name: &str) -> Option<(Split, Content)> {
    let name = name.to_ascii_lowercase();
    let has = |word: &str| name.split(['-', '_', '.', ' ']).any(|part| part == word);
    let split = match (has("train"), has("t10k") || has("test")) {
        (true, false) => Split::Train,
        (false, true) => Split::Test,
        _ => return None,
    };
    if has("images") && (has("idx3") || has("idx4")) {
        Some((split, Content::Images))
    } else if has("labels") && has("idx1") {
        Some((split, Content::Labels))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::idx::tests::{encode, gzip};
    use super::*;

    /// Writes a data set of 18x18 images with these labels.
    fn write(directory: &Path, prefix: &str, suffix: &str, labels: &[u8]) {
        let count = labels.len() as u32;
        let pixels: Vec<u8> = labels.iter().flat_map(|&label| [label; 18 * 18]).collect();
        let files = [
            ("images-idx3-ubyte", encode(&[count, 18, 18], &pixels)),
            ("labels-idx1-ubyte", encode(&[count], labels)),
        ];
        for (name, plain) in files {
            let bytes = if suffix == ".gz" { gzip(&plain) } else { plain };
            fs::write(directory.join(format!("{prefix}-{name}{suffix}")), bytes).unwrap();
        }
    }

    fn load(directory: &Path, split: Split) -> Result<Dataset, DataError> {
        directory.to_str().unwrap().parse::<Source>().unwrap().load(split)
    }

    #[test]
    fn names_of_known_data_sets_are_recognised() {
        let cases = [
            ("train-images-idx3-ubyte", Some((Split::Train, Content::Images))),
            ("t10k-labels-idx1-ubyte.gz", Some((Split::Test, Content::Labels))),
            ("t10k-images.idx3-ubyte", Some((Split::Test, Content::Images))),
            ("emnist-letters-train-labels-idx1-ubyte.gz", Some((Split::Train, Content::Labels))),
            ("emnist-letters-test-images-idx3-ubyte.gz", Some((Split::Test, Content::Images))),
            ("latest-train-images-idx4-ubyte", Some((Split::Train, Content::Images))),
            ("train-test-images-idx3-ubyte", None),
            ("qmnist-test-labels-idx2-int.gz", None),
            ("emnist-letters-mapping.txt", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(recognise(name), wanted, "{name}");
        }
        for split in [Split::Train, Split::Test] {
            for content in [Content::Images, Content::Labels] {
                assert_eq!(recognise(&example(split, content)), Some((split, content)));
            }
        }
    }

    #[test]
    fn mnist_is_built_in() {
        let source: Source = "mnist".parse().unwrap();
        assert_eq!(source, Source::Mnist);
        assert_eq!(source.load(Split::Test).unwrap().len(), 10_000);
        let path: Source = "./mnist".parse().unwrap();
        assert_eq!(path, Source::Directory("./mnist".into()));
        assert_eq!((source.to_string(), path.to_string()), ("mnist".into(), "./mnist".into()));
    }

    #[test]
    fn both_splits_have_the_classes_of_the_training_split() {
        for suffix in ["", ".gz"] {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), "letters-train", suffix, &[0, 6, 2]);
            write(directory.path(), "letters-test", suffix, &[1, 2]);
            let train = load(directory.path(), Split::Train).unwrap();
            let test = load(directory.path(), Split::Test).unwrap();
            assert_eq!((train.labels.as_slice(), train.class_count()), ([0, 6, 2].as_slice(), 7));
            assert_eq!((test.labels.as_slice(), test.class_count()), ([1, 2].as_slice(), 7));
            assert!(test.image(1).iter().all(|&pixel| pixel == 2));
        }
    }

    #[test]
    fn fit_and_validation_divide_the_training_images() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "train", "", &[0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(load(directory.path(), Split::Validation).unwrap().labels, [0]);
        assert_eq!(load(directory.path(), Split::Fit).unwrap().labels, [0, 0, 0, 0, 0, 3]);

        write(directory.path(), "train", "", &[0, 0, 0, 0, 0, 3]);
        for split in [Split::Fit, Split::Validation] {
            let error = load(directory.path(), split).unwrap_err().to_string();
            assert!(error.contains("at least 6 images; the largest has 5"), "{error}");
        }
    }

    #[test]
    fn a_test_split_alone_can_be_measured() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "t10k", "", &[1, 4]);
        assert_eq!(load(directory.path(), Split::Test).unwrap().class_count(), 5);
        let error = load(directory.path(), Split::Train).unwrap_err().to_string();
        let wanted = "no file with the training images, named like `train-images-idx3-ubyte`";
        assert!(error.contains(wanted) && error.contains("t10k-labels-idx1-ubyte"), "{error}");
    }

    #[test]
    fn a_test_label_outside_the_training_classes_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "train", "", &[0, 1]);
        write(directory.path(), "t10k", "", &[0, 2]);
        let error = load(directory.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("label 1 is 2, but the classes are 0 to 1"), "{error}");
    }

    #[test]
    fn two_data_sets_in_a_directory_are_ambiguous() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "emnist-letters-train", ".gz", &[0]);
        write(directory.path(), "emnist-digits-train", ".gz", &[0]);
        let error = load(directory.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("several files could be the training images"), "{error}");
        assert!(error.contains("emnist-digits-train-images-idx3-ubyte.gz"), "{error}");
    }

    #[test]
    fn an_unpacked_copy_goes_before_the_gzipped_one() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "train", ".gz", &[0, 1]);
        write(directory.path(), "train", "", &[3]);
        assert_eq!(load(directory.path(), Split::Train).unwrap().labels, [3]);
    }

    #[test]
    fn what_is_no_directory_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        for path in [file, directory.path().join("missing")] {
            let error = load(&path, Split::Test).unwrap_err().to_string();
            assert!(error.contains("cannot list the directory"), "{error}");
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        }
    }
}
