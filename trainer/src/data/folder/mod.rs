//! A directory of pictures, one folder a class, as a data set.
//!
//! The classes' folders lie in the directory itself, or in its folders `train`
//! and `test`. What is read depends on names and contents alone, whatever the
//! order of files on the disk and the number of threads.

mod error;
mod layout;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lookalike::{Network, Shape};
use rayon::prelude::*;

use super::{Dataset, ImageFileError, Split, idx, image_file};
pub use error::FolderError;
use layout::Layout;
pub use layout::holds_folders;

/// The side of images where the pictures do not suggest another.
const SIDE: usize = 32;
/// Pictures of one size keep it up to this side.
const LARGEST_OWN_SIDE: usize = 64;

/// The share of each class's pictures that is for testing: from 0 to below 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestFraction(f64);

impl TestFraction {
    /// The fraction if it is in its range.
    pub fn new(fraction: f64) -> Option<TestFraction> {
        (0.0..1.0).contains(&fraction).then_some(TestFraction(fraction))
    }

    /// How many of `count` pictures: rounded to nearest, but at least one for
    /// testing and one for training where there are two; none of a single one,
    /// and none at all for the fraction 0.
    fn of(self, count: usize) -> usize {
        if self.0 == 0.0 || count < 2 {
            return 0;
        }
        ((self.0 * count as f64).round() as usize).clamp(1, count - 1)
    }
}

impl Default for TestFraction {
    /// One picture in five.
    fn default() -> Self {
        TestFraction(0.2)
    }
}

impl FromStr for TestFraction {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().ok().and_then(TestFraction::new).ok_or("expected a number from 0 to below 1")
    }
}

/// How pictures become a data set.
#[derive(Clone, Debug, Default)]
pub struct FolderOptions<'a> {
    /// What the pictures are converted to; without it, what [`Folder::shape`]
    /// finds.
    pub input: Option<Shape>,
    /// Names of classes that come first, in this order: a model's, so that its
    /// classes keep their numbers whichever folders there are.
    pub class_names: &'a [String],
    /// The share for testing where the folders `train` and `test` do not
    /// decide; one in five if left out.
    pub test_fraction: Option<TestFraction>,
    /// Leave out files that cannot be read as pictures.
    pub skip_unreadable: bool,
}

/// A directory of pictures, listed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    layout: Layout,
}

impl Folder {
    /// Lists a directory with one folder a class. Folders within a class's
    /// folder are an error; files beside the classes' folders are not used.
    ///
    /// # Errors
    /// [`FolderError`]: a folder cannot be listed, or cannot be a class.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        Ok(Folder { path: path.to_path_buf(), layout: Layout::of(path)? })
    }

    /// The images' shape if none is asked for. Their size is the pictures' own
    /// if all have the same, of 18 to 64 pixels a side, else 32x32; they have 3
    /// channels if a picture is stored in colour, else 1. Files that cannot be
    /// read have no say.
    pub fn shape(&self) -> Shape {
        let files: Vec<&PathBuf> =
            self.layout.classes().flat_map(|class| class.files.iter()).collect();
        let headers: Vec<image_file::Header> =
            files.par_iter().filter_map(|file| image_file::header(file).ok()).collect();
        let channels = if headers.iter().any(|header| header.coloured) { 3 } else { 1 };
        let sizes = |header: &image_file::Header| [header.height as usize, header.width as usize];
        let own = headers.first().map(sizes).filter(|own| {
            let sides = usize::from(Network::MIN_SIDE)..=LARGEST_OWN_SIDE;
            own.iter().all(|side| sides.contains(side))
                && headers.iter().all(|header| sizes(header) == *own)
        });
        let [height, width] = own.unwrap_or([SIDE, SIDE]);
        Shape { height, width, channels }
    }

    /// Reads the pictures of a split, on rayon's current pool: class by class,
    /// each sorted by file name. Also gives what is wrong with the files that
    /// were skipped.
    ///
    /// Memory: the images, `shape.len()` bytes each, at most [`idx::MAX_BYTES`]
    /// in all; for each thread a decoded picture, as [`image_file::load`] says.
    ///
    /// # Errors
    /// [`FolderError`]: the split is missing or empty, a class of the test
    /// pictures is not one of the training pictures', there are too many
    /// pictures, or files cannot be read and are not to be skipped.
    pub fn load(
        &self,
        split: Split,
        options: &FolderOptions<'_>,
    ) -> Result<(Dataset, Vec<ImageFileError>), FolderError> {
        let path = || self.path.clone();
        let class_names = self.class_names(options.class_names)?;
        let mut files: Vec<&Path> = Vec::new();
        let mut labels = Vec::new();
        for (class, of_class) in self.layout.split(&self.path, split, options.test_fraction)? {
            let Some(label) = class_names.iter().position(|name| *name == class.name) else {
                return Err(FolderError::UnknownClass { path: class.path.clone() });
            };
            // There are at most `Network::MAX_CLASSES`.
            labels.extend(of_class.iter().map(|_| label as u16));
            files.extend(of_class);
        }
        if files.is_empty() {
            return Err(FolderError::NoPicture { path: path(), split });
        }
        let shape = options.input.unwrap_or_else(|| self.shape());
        if files.len() > idx::MAX_BYTES / shape.len().max(1) {
            let (images, bytes) = (files.len(), shape.len());
            return Err(FolderError::TooLarge { path: path(), images, bytes });
        }
        let (pixels, mut problems) = read(&files, &mut labels, shape);
        if problems.len() == files.len() {
            let first = Box::new(problems.swap_remove(0));
            return Err(FolderError::AllUnreadable { path: path(), files: files.len(), first });
        }
        if !problems.is_empty() && !options.skip_unreadable {
            return Err(FolderError::Unreadable { path: path(), files: files.len(), problems });
        }
        Ok((Dataset { shape, pixels, labels, class_names }, problems))
    }

    /// The names that come first, then those of the folders that are new.
    fn class_names(&self, first: &[String]) -> Result<Vec<String>, FolderError> {
        let mut names = first.to_vec();
        for name in self.layout.names() {
            if !first.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        if names.len() > usize::from(Network::MAX_CLASSES) {
            let path = self.path.clone();
            return Err(FolderError::TooManyClasses { path, found: names.len() });
        }
        Ok(names)
    }
}

/// The images of all files that can be read, with the labels of the others
/// taken out, and what is wrong with those.
fn read(files: &[&Path], labels: &mut Vec<u16>, shape: Shape) -> (Vec<u8>, Vec<ImageFileError>) {
    let len = shape.len();
    let mut pixels = vec![0; files.len() * len];
    let load = |(image, file): (&mut [u8], &&Path)| {
        let loaded = image_file::load(file, shape, false)?;
        image.copy_from_slice(&loaded);
        Ok(())
    };
    let results: Vec<Result<(), ImageFileError>> =
        pixels.par_chunks_mut(len).zip(files).map(load).collect();
    let (mut kept, mut problems) = (0, Vec::new());
    for (i, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => {
                pixels.copy_within(i * len..(i + 1) * len, kept * len);
                labels[kept] = labels[i];
                kept += 1;
            }
            Err(problem) => problems.push(problem),
        }
    }
    pixels.truncate(kept * len);
    labels.truncate(kept);
    (pixels, problems)
}
