//! Data sets as directories of pictures.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use image::ImageError;
use rayon::prelude::*;

use super::atomic::{self, temporary};
use crate::data::{Dataset, Split, image_file};

/// Why a data set cannot be written as pictures; nothing has been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldersError {
    /// There is something in the directory.
    #[error("{}: holds something already; remove it, or name another directory", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A class's name cannot be a folder's, or two classes have one.
    #[error(
        "the class name {name:?} cannot be a folder's beside the others; give other names with --class-names"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The system cannot write.
    #[error("{}: cannot write the pictures: {cause}; check the path, its permissions and the space on the disk", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// An image cannot be a PNG.
    #[error("an image cannot be written as PNG: {0}; only grey and colour images can")]
    Png(#[from] ImageError),
}

/// Writes splits of a data set as `DIR/SPLIT/CLASS/NUMBER.png`, where the number
/// is the image's in its split; gives how many images there are. The directory
/// appears when all of it has been written; until then it is called
/// `.NAME.*.tmp`, which a killed process leaves behind and the next one for the
/// same directory removes. Runs on rayon's current pool.
///
/// # Errors
/// [`FoldersError`]; then the directory is as it was.
pub fn write_folders(path: &Path, splits: &[(Split, Dataset)]) -> Result<usize, FoldersError> {
    let io_error = |cause| FoldersError::Io { path: path.to_path_buf(), cause };
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(FoldersError::Exists { path: path.to_path_buf() }),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(error)),
        _ => {}
    }
    for (_, data) in splits {
        check_names(&data.class_names)?;
    }
    let name = path.file_name().ok_or_else(|| io_error(ErrorKind::InvalidInput.into()))?;
    let (temporary, _lock) =
        temporary::create_directory(atomic::directory_of(path), name).map_err(io_error)?;
    for (split, data) in splits {
        write_split(&temporary.path().join(split.to_string()), data).map_err(
            |error| match error {
                FoldersError::Io { cause, .. } => io_error(cause),
                error => error,
            },
        )?;
    }
    share(temporary.path()).map_err(io_error)?;
    // Onto an empty directory, or nothing.
    fs::rename(temporary.path(), path).map_err(io_error)?;
    let _ = temporary.keep();
    Ok(splits.iter().map(|(_, data)| data.len()).sum())
}

fn write_split(path: &Path, data: &Dataset) -> Result<(), FoldersError> {
    let io_error = |cause| FoldersError::Io { path: path.to_path_buf(), cause };
    let mut used = vec![false; data.class_count()];
    data.labels.iter().for_each(|&label| used[usize::from(label)] = true);
    for (name, _) in data.class_names.iter().zip(used).filter(|(_, used)| *used) {
        fs::create_dir_all(path.join(name)).map_err(io_error)?;
    }
    (0..data.len()).into_par_iter().try_for_each(|i| {
        let class = &data.class_names[usize::from(data.labels[i])];
        let png = image_file::png(data.image(i), data.shape)?;
        fs::write(path.join(class).join(format!("{i:05}.png")), png).map_err(io_error)
    })
}

/// Each name is one folder's, on any system, and no two are the same there.
fn check_names(names: &[String]) -> Result<(), FoldersError> {
    let mut seen = std::collections::HashSet::new();
    let is_taken = |name: &str| {
        let odd = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        name.is_empty() || name.starts_with('.') || name.ends_with([' ', '.']) || name.contains(odd)
    };
    for name in names {
        if is_taken(name) || !seen.insert(name.to_lowercase()) {
            return Err(FoldersError::Name { name: name.clone() });
        }
    }
    Ok(())
}

/// Temporary directories are private.
#[cfg(unix)]
fn share(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // As any other new directory: what the umask left of a folder in it.
    let inner = fs::read_dir(path)?.next().transpose()?;
    let mode = inner.map(|inner| inner.metadata()).transpose()?.map(|m| m.permissions().mode());
    fs::set_permissions(path, fs::Permissions::from_mode(mode.unwrap_or(0o755)))
}

#[cfg(not(unix))]
fn share(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use lookalike::Shape;

    fn data(labels: &[u16], names: &[&str], channels: usize) -> Dataset {
        let shape = Shape { height: 18, width: 20, channels };
        let pixels = (0..labels.len() * shape.len()).map(|i| (i * 11) as u8).collect();
        let class_names = names.iter().map(|name| name.to_string()).collect();
        Dataset { shape, pixels, labels: labels.to_vec(), class_names }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for channels in [1, 3] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("photos");
            let names = ["a cup", "mug", "unused"];
            // Sorted by class, as they are read.
            let splits = [
                (Split::Train, data(&[0, 0, 1], &names, channels)),
                (Split::Test, data(&[0, 1, 1, 1], &names, channels)),
            ];
            assert_eq!(write_folders(&path, &splits).unwrap(), 7);
            for (split, written) in &splits {
                let read = Source::Directory(path.clone()).load(*split).unwrap();
                assert_eq!((&read.pixels, &read.labels), (&written.pixels, &written.labels));
                assert_eq!(read.class_names, names[..2]);
            }
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("photos");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mine"), "precious").unwrap();
        let good = [(Split::Train, data(&[0], &["cup"], 1))];
        let error = write_folders(&path, &good).unwrap_err();
        assert!(matches!(error, FoldersError::Exists { .. }), "{error}");
        fs::remove_file(path.join("mine")).unwrap();
        for (names, channels) in
            [(["a/b", "c"], 1), (["..", "c"], 1), (["", "c"], 1), (["C", "c"], 1), (["a", "c"], 2)]
        {
            let bad = [(Split::Train, data(&[0, 1], &names, channels))];
            write_folders(&path, &bad).unwrap_err();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
            assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        }
        write_folders(&path, &good).unwrap();
        let error = write_folders(&path.join("no/such"), &good).unwrap_err();
        assert!(matches!(error, FoldersError::Io { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let names = [".photos.abcdef.tmp", ".photos.alive0.tmp", ".others.abcdef.tmp"];
        for name in names {
            fs::create_dir_all(directory.path().join(name).join("train/cup")).unwrap();
        }
        let alive = fs::File::open(directory.path().join(names[1])).unwrap();
        alive.lock().unwrap();
        let path = directory.path().join("photos");
        write_folders(&path, &[(Split::Train, data(&[0], &["cup"], 1))]).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".others.abcdef.tmp", ".photos.alive0.tmp", "photos"]);
    }
}
