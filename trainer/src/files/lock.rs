//! One run at a time on an output.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{WriteError, atomic};

/// A claim on an output. It ends when dropped, and with the process, however
/// that ends: what is locked is the file `.NAME.lock` beside the output, and
/// the system forgets locks of processes that are gone. Only a killed process
/// leaves the file, which is empty and in nobody's way.
#[derive(Debug)]
pub struct OutputLock {
    path: PathBuf,
    /// Locked while it is open.
    _file: File,
}

/// Why an output cannot be claimed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{}: another run writes here; wait until it has ended, or give another output",
        path.display()
    )]
    Taken {
        /// The output.
        path: PathBuf,
    },
    /// Nothing can be written there.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl OutputLock {
    /// Claims the file `output`, which need not exist, or the directory if it
    /// is one. On a file system without locks every claim is granted.
    ///
    /// # Errors
    /// When another process has it, or no file can be made beside it.
    pub fn claim(output: &Path) -> Result<OutputLock, LockError> {
        let write_error = |cause| WriteError { path: output.to_path_buf(), cause };
        let path = lock_path(output).ok_or(ErrorKind::IsADirectory.into()).map_err(write_error)?;
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(write_error)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Taken { path: output.to_path_buf() });
                }
                Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                    return Err(write_error(error).into());
                }
                _ => {}
            }
            // Otherwise the one who had it has just removed it.
            if is_at(&file, &path).map_err(write_error)? {
                return Ok(OutputLock { path, _file: file });
            }
        }
    }
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        // While it is locked: whoever opened it before sees that it is gone.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lock_path(output: &Path) -> Option<PathBuf> {
    if output.is_dir() {
        return Some(output.join(".lock"));
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(output.file_name()?);
    name.push(".lock");
    Some(atomic::directory_of(output).join(name))
}

/// Whether `path` still leads to the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let of_file = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.dev() == of_file.dev() && metadata.ino() == of_file.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    fn names(directory: &Path) -> Vec<std::ffi::OsString> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_claim_keeps_others_out_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("a.model");
        let claim = OutputLock::claim(&output).unwrap();
        let refused = OutputLock::claim(&output).unwrap_err();
        assert!(matches!(&refused, LockError::Taken { path } if *path == output));
        assert!(refused.to_string().starts_with(output.to_str().unwrap()), "{refused}");
        let other = OutputLock::claim(&directory.path().join("b.model")).unwrap();
        let whole = OutputLock::claim(directory.path()).unwrap();
        assert!(OutputLock::claim(directory.path()).is_err());
        drop((claim, other, whole));
        assert!(names(directory.path()).is_empty());
        drop(OutputLock::claim(&output).unwrap());
        // What a killed process left is in nobody's way.
        fs::write(directory.path().join(".a.model.lock"), "").unwrap();
        drop(OutputLock::claim(&output).unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn no_two_ever_have_the_same_claim() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("x");
        let (holders, claims) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while claims.load(SeqCst) < 2000 {
                        if let Ok(claim) = OutputLock::claim(&output) {
                            assert_eq!(holders.fetch_add(1, SeqCst), 0);
                            claims.fetch_add(1, SeqCst);
                            assert_eq!(holders.fetch_sub(1, SeqCst), 1);
                            drop(claim);
                        }
                    }
                });
            }
        });
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn impossible_outputs_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let error = OutputLock::claim(&directory.path().join("no/x")).unwrap_err().to_string();
        assert!(error.contains("no/x: cannot write the file"), "{error}");
        assert!(error.contains("create its directory first"), "{error}");
        assert!(OutputLock::claim(Path::new("")).is_err());
    }
}
