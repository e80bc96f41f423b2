//! Why a folder of pictures cannot be used.

use std::io;
use std::path::PathBuf;

use lookalike::Network;

use super::super::{ImageFileError, Split, idx};

/// Why a folder of pictures cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A folder cannot be listed.
    #[error("{}: cannot list the folder: {cause}; check the path and its permissions", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A class cannot have this name.
    #[error("{}: the folder's name cannot be a class's: it must be Unicode without line breaks; rename it", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
    },
    /// The folder of a class holds folders.
    #[error("{}: a folder inside the folder of a class; put its pictures into the class's own folder, or give the folder whose folders are the classes", path.display())]
    Nested {
        /// The inner folder.
        path: PathBuf,
    },
    /// The folder of a class holds nothing.
    #[error("{}: the folder of a class, but there is no file in it; add pictures or remove it", path.display())]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// There are too many folders.
    #[error("{}: {found} classes, more than the limit of {}", path.display(), Network::MAX_CLASSES)]
    TooManyClasses {
        /// The folder of all classes.
        path: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// The converted pictures would take too much memory.
    #[error(
        "{}: {images} pictures of {bytes} bytes each take more than the limit of {} GiB; choose a smaller --input or fewer pictures",
        path.display(), idx::MAX_BYTES >> 30
    )]
    TooLarge {
        /// The folder of all classes.
        path: PathBuf,
        /// How many there are.
        images: usize,
        /// Bytes of one as the network's input.
        bytes: usize,
    },
    /// Only one of the folders `train` and `test` is there.
    #[error("{}: no folder `{wanted}` beside its other half; add it, or move the classes' folders up, so that --test-fraction divides them", path.display())]
    MissingSplit {
        /// The folder of all classes.
        path: PathBuf,
        /// The missing one.
        wanted: Split,
    },
    /// A test class that training does not know.
    #[error("{}: the folder of a class that the training pictures do not have; add it there, or remove it", path.display())]
    UnknownClass {
        /// The folder.
        path: PathBuf,
    },
    /// A fraction where folders divide the pictures already.
    #[error("{}: --test-fraction does not go with folders `train` and `test`; leave it out", path.display())]
    FractionOfSplit {
        /// The folder of both.
        path: PathBuf,
    },
    /// No picture is in the split.
    #[error("{}: no picture for the split `{split}`: a class needs two to have one for training and one for testing; add pictures or change --test-fraction", path.display())]
    NoPicture {
        /// The folder of all classes.
        path: PathBuf,
        /// The split.
        split: Split,
    },
    /// Files that are no pictures.
    #[error("{}: {} of {files} files cannot be used:{}\nrepair or remove them, or leave them out with --skip-unreadable", path.display(), problems.len(), listing(problems))]
    Unreadable {
        /// The folder of all classes.
        path: PathBuf,
        /// How many files there are.
        files: usize,
        /// What is wrong with each, in the order of the files.
        problems: Vec<ImageFileError>,
    },
    /// None of the files is a picture.
    #[error("{}: none of its {files} files can be used; the first: {first}", path.display())]
    AllUnreadable {
        /// The folder of all classes.
        path: PathBuf,
        /// How many there are.
        files: usize,
        /// What is wrong with the first.
        first: Box<ImageFileError>,
    },
}

/// One line for each problem, or for the first ones and how many more there are.
fn listing(problems: &[ImageFileError]) -> String {
    const SHOWN: usize = 100;
    let lines = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}"));
    let mut text: String = lines.collect();
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        text += &format!("\n  and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_listings_are_cut() {
        let problems = |count: usize| -> Vec<ImageFileError> {
            let format = |i| ImageFileError::Format { path: PathBuf::from(format!("f{i}")) };
            (0..count).map(format).collect()
        };
        assert_eq!(listing(&problems(100)).lines().count(), 101);
        let long = listing(&problems(130));
        assert!(long.contains("\n  f99: not a PNG") && long.ends_with("\n  and 30 more"), "{long}");
    }
}
