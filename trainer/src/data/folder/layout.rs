//! Which files are of which class and of which split.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISO_HDLC, Crc};
use lookalike::Network;
use rand::Rng;

use super::super::Split;
use super::{FolderError, TestFraction};
use crate::rng::{Purpose, stream};

/// A folder of pictures of one class.
#[derive(Debug)]
pub(super) struct Class {
    pub name: String,
    pub path: PathBuf,
    /// Sorted by name.
    pub files: Vec<PathBuf>,
}

/// The classes of a folder, sorted.
#[derive(Debug)]
pub(super) enum Layout {
    /// In the folders `train` and `test`, of which one may be missing.
    Divided { train: Option<Vec<Class>>, test: Option<Vec<Class>> },
    /// To be divided.
    Whole(Vec<Class>),
}

/// Whether the directory holds a folder that could be a class's.
pub fn holds_folders(path: &Path) -> bool {
    entries(path).is_ok_and(|entries| entries.iter().any(|entry| entry.is_folder))
}

impl Layout {
    /// Lists a folder. `train` and `test` are splits where one of them holds
    /// folders, else they are classes; other folders beside splits are not used.
    pub fn of(path: &Path) -> Result<Layout, FolderError> {
        let [train, test] = ["train", "test"].map(|split| path.join(split));
        if !holds_folders(&train) && !holds_folders(&test) {
            return Ok(Layout::Whole(classes(path)?));
        }
        let split = |path: PathBuf| path.is_dir().then(|| classes(&path)).transpose();
        Ok(Layout::Divided { train: split(train)?, test: split(test)? })
    }

    /// All classes, of both splits.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        let [first, second] = match self {
            Layout::Divided { train, test } => [train.as_ref(), test.as_ref()],
            Layout::Whole(classes) => [Some(classes), None],
        };
        first.into_iter().chain(second).flatten()
    }

    /// The names of the classes: those of the training pictures, of the test
    /// pictures where there are no others.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let classes = match self {
            Layout::Divided { train: Some(classes), .. } | Layout::Whole(classes) => classes,
            Layout::Divided { test, .. } => test.as_deref().unwrap_or_default(),
        };
        classes.iter().map(|class| class.name.as_str())
    }

    /// The classes of a split, each with its files.
    pub fn split(
        &self,
        path: &Path,
        split: Split,
        fraction: Option<TestFraction>,
    ) -> Result<Vec<(&Class, Vec<&Path>)>, FolderError> {
        match self {
            Layout::Divided { train, test } => {
                if fraction.is_some() {
                    return Err(FolderError::FractionOfSplit { path: path.to_path_buf() });
                }
                let classes = if split == Split::Test { test } else { train };
                let missing =
                    || FolderError::MissingSplit { path: path.to_path_buf(), wanted: split };
                let classes = classes.as_ref().ok_or_else(missing)?;
                Ok(classes.iter().map(|class| (class, class.all())).collect())
            }
            Layout::Whole(classes) => {
                let fraction = fraction.unwrap_or_default();
                let part = |class| (class, part_of(class, split, fraction));
                Ok(classes.iter().map(part).collect())
            }
        }
    }
}

impl Class {
    fn all(&self) -> Vec<&Path> {
        self.files.iter().map(PathBuf::as_path).collect()
    }
}

/// The files of a class that are in a split, in their order.
///
/// Which files are for testing depends on their names alone: those with the
/// smallest of random numbers that each name has for itself. So a file mostly
/// stays on its side when others are added.
fn part_of(class: &Class, split: Split, fraction: TestFraction) -> Vec<&Path> {
    let mut ranked = class.all();
    ranked.sort_by_cached_key(|file| {
        let name = file.file_name().unwrap_or_default();
        (random_number(name), name)
    });
    let (test, train) = ranked.split_at(fraction.of(ranked.len()));
    let mut part = if split == Split::Test { test } else { train }.to_vec();
    part.sort_unstable_by_key(|file| file.file_name());
    part
}

fn random_number(name: &OsStr) -> u64 {
    static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let index = CRC.checksum(name.as_encoded_bytes());
    stream(0, Purpose::TestFraction, u64::from(index)).next_u64()
}

/// The folders in a directory as classes, sorted by name; by number if every
/// name is one, so that a class's number is its name where both count from 0.
fn classes(path: &Path) -> Result<Vec<Class>, FolderError> {
    let mut classes = Vec::new();
    for entry in entries(path)?.into_iter().filter(|entry| entry.is_folder) {
        classes.push(class(entry.path)?);
    }
    if classes.len() > usize::from(Network::MAX_CLASSES) {
        let path = path.to_path_buf();
        return Err(FolderError::TooManyClasses { path, found: classes.len() });
    }
    if classes.iter().all(|class| number(&class.name).is_some()) {
        classes.sort_by_key(|class| number(&class.name));
    }
    Ok(classes)
}

/// The number that a name is, without leading zeros.
fn number(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number: &u64| number.to_string() == name)
}

fn class(path: PathBuf) -> Result<Class, FolderError> {
    let name = path.file_name().and_then(OsStr::to_str).filter(|name| !name.contains(['\n', '\r']));
    let Some(name) = name.map(str::to_owned) else { return Err(FolderError::Name { path }) };
    let mut files = Vec::new();
    for entry in entries(&path)? {
        if entry.is_folder {
            return Err(FolderError::Nested { path: entry.path });
        }
        files.push(entry.path);
    }
    if files.is_empty() {
        return Err(FolderError::EmptyClass { path });
    }
    Ok(Class { name, path, files })
}

/// A name in a directory.
struct Entry {
    path: PathBuf,
    is_folder: bool,
}

/// What is in a directory, sorted by name; without what file managers leave
/// there: hidden files, `Thumbs.db`, `desktop.ini`.
fn entries(path: &Path) -> Result<Vec<Entry>, FolderError> {
    let list = || -> std::io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && name != "Thumbs.db" && name != "desktop.ini" {
                let path = entry.path();
                // A link that leads nowhere is a file that cannot be read.
                entries.push(Entry { is_folder: path.is_dir(), path });
            }
        }
        entries.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
        Ok(entries)
    };
    list().map_err(|cause| FolderError::List { path: path.to_path_buf(), cause })
}
