//! Replacing a file whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

#[cfg(test)]
pub(crate) mod faults;
pub(super) mod temporary;
#[cfg(test)]
mod tests;

/// A file could not be written; what was there before is unchanged.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot write the file: {cause}; {}", path.display(), advice(cause))]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

/// Writes a file through `write`, so that `path` holds either all of the new
/// content or what it held before, whatever happens in between.
///
/// The content goes through a buffer to a temporary file beside the target,
/// which is synced and renamed over it. A symbolic link is followed; an
/// existing file's permissions are kept, and one without write permission is
/// not replaced. Only a killed process can leave the
/// temporary file, `.NAME.*.tmp`, behind; the next write of the same file
/// removes it.
///
/// # Errors
/// Whatever `write` returns, and any failure of the file system. The target is
/// then unchanged and the temporary file removed.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), WriteError> {
    write_together([(path.as_ref(), Box::new(write))])
}

/// What writes a file's content.
pub type Content<'a> = Box<dyn FnOnce(&mut (dyn Write + Send)) -> io::Result<()> + 'a>;

/// [`write_atomically`] of files that belong together: none is replaced before
/// all are written. Only a fault between two renames, or a process killed
/// there, leaves a part of them replaced.
///
/// # Errors
/// As [`write_atomically`], of the first file that fails.
pub fn write_together<'a, const N: usize>(
    files: [(&Path, Content<'a>); N],
) -> Result<(), WriteError> {
    #[cfg(not(test))]
    let disk = System;
    #[cfg(test)]
    let disk = faults::current();
    let error = |path: &Path, cause| WriteError { path: path.to_path_buf(), cause };
    let mut staged = Vec::with_capacity(N);
    for (path, write) in files {
        staged.push((path, stage(path, &disk, write).map_err(|cause| error(path, cause))?));
    }
    for (path, staged) in staged {
        staged.commit(&disk).map_err(|cause| error(path, cause))?;
    }
    Ok(())
}

/// All that can fail on the way to a file; a seam for injecting faults.
trait Disk: Sync {
    /// Makes a temporary file.
    fn create(&self, builder: &Builder<'_, '_>, directory: &Path) -> io::Result<NamedTempFile> {
        builder.tempfile_in(directory)
    }

    /// Writes some of `bytes`.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    /// Hands on what is buffered.
    fn flush(&self, mut file: &File) -> io::Result<()> {
        file.flush()
    }

    /// Returns when the content is on the medium.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Puts the file in the place of `target`.
    fn rename(&self, temporary: NamedTempFile, target: &Path) -> io::Result<()> {
        temporary.persist(target).map(drop).map_err(|error| error.error)
    }
}

/// The file system.
#[cfg(not(test))]
struct System;

#[cfg(not(test))]
impl Disk for System {}

/// An open file, written through a [`Disk`].
struct Sink<'a, D> {
    file: &'a File,
    disk: &'a D,
}

impl<D: Disk> Write for Sink<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(self.file, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush(self.file)
    }
}

/// A file that is written but for its name.
struct Staged {
    /// Removed when dropped, unless it was renamed.
    temporary: NamedTempFile,
    target: PathBuf,
}

fn stage<D: Disk>(path: &Path, disk: &D, write: Content<'_>) -> io::Result<Staged> {
    let (target, permissions) = resolve(path)?;
    let name = target.file_name().ok_or_else(|| io::Error::from(ErrorKind::IsADirectory))?;
    let at_creation = permissions.clone().or_else(default_permissions);
    let temporary = temporary::create(disk, directory_of(&target), name, at_creation)?;

    let mut buffer = BufWriter::new(Sink { file: temporary.as_file(), disk });
    write(&mut buffer)?;
    // Not by dropping the buffer, which would hide an error.
    buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(permissions) = permissions {
        // At its creation the process's umask took bits away.
        temporary.as_file().set_permissions(permissions)?;
    }
    disk.sync(temporary.as_file())?;
    Ok(Staged { temporary, target })
}

impl Staged {
    fn commit(self, disk: &impl Disk) -> io::Result<()> {
        disk.rename(self.temporary, &self.target)?;
        sync_directory(directory_of(&self.target));
        Ok(())
    }
}

/// The directory that a file lies in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The file that `path` leads to, and its permissions if it exists.
fn resolve(path: &Path) -> io::Result<(PathBuf, Option<Permissions>)> {
    match fs::canonicalize(path) {
        Ok(target) => {
            let metadata = fs::metadata(&target)?;
            match metadata.file_type() {
                kind if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
                kind if !kind.is_file() => {
                    Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
                }
                // The rename would succeed, but someone protected the file.
                _ if metadata.permissions().readonly() => {
                    Err(io::Error::new(ErrorKind::PermissionDenied, "the file is write-protected"))
                }
                _ => Ok((target, Some(metadata.permissions()))),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((path.to_path_buf(), None)),
        Err(error) => Err(error),
    }
}

/// A new file's permissions before the umask; temporary files are private.
#[cfg(unix)]
fn default_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn default_permissions() -> Option<Permissions> {
    None
}

/// Makes the new name survive a power cut. A failure is not reported: the
/// rename has taken place, and some file systems cannot sync directories.
#[cfg(unix)]
fn sync_directory(directory: &Path) {
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) {}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space or write to another disk; what was there before is unchanged"
        }
        ErrorKind::NotFound => "create its directory first",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose another place or allow writing there"
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
            "give the path of a file"
        }
        _ => "what was there before is unchanged",
    }
}
