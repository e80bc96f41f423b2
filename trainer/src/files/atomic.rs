//! Replacing a file whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

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
/// temporary file, `.NAME.*.tmp`, behind.
///
/// # Errors
/// Whatever `write` returns, and any failure of the file system. The target is
/// then unchanged and the temporary file removed.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), WriteError> {
    let path = path.as_ref();
    replace(path, |file| file, write)
        .map_err(|cause| WriteError { path: path.to_path_buf(), cause })
}

/// A file that can be synced to the disk; a seam for injecting faults.
trait Disk: Write + Send {
    /// Returns when the content is on the medium.
    fn sync(&self) -> io::Result<()>;
}

impl Disk for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

fn replace<D: Disk>(
    path: &Path,
    disk: impl FnOnce(File) -> D,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let (target, permissions) = resolve(path)?;
    let name = target.file_name().ok_or_else(|| io::Error::from(ErrorKind::IsADirectory))?;
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");

    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    if let Some(permissions) = permissions.clone().or_else(default_permissions) {
        builder.permissions(permissions);
    }
    // Removes the temporary file when dropped, unless it was renamed.
    let temporary = builder.tempfile_in(directory)?;

    let mut buffer = BufWriter::new(disk(temporary.as_file().try_clone()?));
    write(&mut buffer)?;
    // Not by dropping the buffer, which would hide an error.
    let disk = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(permissions) = permissions {
        // At its creation the process's umask took bits away.
        temporary.as_file().set_permissions(permissions)?;
    }
    disk.sync()?;
    drop(disk);
    temporary.persist(&target).map_err(|error| error.error)?;
    sync_directory(directory);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A disk with room for `room` bytes, and possibly no working sync.
    struct Faulty {
        file: File,
        room: usize,
        sync_fails: bool,
    }

    impl Write for Faulty {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let written = self.file.write(&bytes[..bytes.len().min(self.room)])?;
            self.room -= written;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl Disk for Faulty {
        fn sync(&self) -> io::Result<()> {
            if self.sync_fails { Err(io::Error::other("sync")) } else { self.file.sync() }
        }
    }

    fn names(directory: &TempDir) -> Vec<OsString> {
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_fault_at_any_byte_changes_nothing() {
        let content: Vec<u8> = (0..200).collect();
        for exists in [true, false] {
            for room in 0..=content.len() {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("x.model");
                if exists {
                    fs::write(&path, "old").unwrap();
                }
                let disk = |file| Faulty { file, room, sync_fails: false };
                // In small pieces with flushes, so that the fault hits `write` as well.
                let result = replace(&path, disk, |writer| {
                    content.chunks(7).try_for_each(|piece| {
                        writer.write_all(piece)?;
                        if piece[0] % 2 == 0 { writer.flush() } else { Ok(()) }
                    })
                });
                if room == content.len() {
                    result.unwrap();
                    assert_eq!(fs::read(&path).unwrap(), content);
                    assert_eq!(names(&directory), ["x.model"]);
                } else {
                    assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
                    assert_eq!(fs::read(&path).ok(), exists.then(|| b"old".to_vec()));
                    assert_eq!(names(&directory).len(), usize::from(exists));
                }
            }
        }
    }

    #[test]
    fn a_failed_sync_or_writer_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "old").unwrap();
        let disk = |file| Faulty { file, room: 100, sync_fails: true };
        assert!(replace(&path, disk, |writer| writer.write_all(b"new")).is_err());
        let result = write_atomically(&path, |writer| {
            writer.write_all(b"new")?;
            Err(ErrorKind::StorageFull.into())
        });
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(path.to_str().unwrap()), "{message}");
        assert!(message.contains("free some space"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&directory), ["x"]);
    }

    #[test]
    fn a_panic_in_the_writer_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "old").unwrap();
        let result = std::panic::catch_unwind(|| {
            write_atomically(&path, |writer| {
                writer.write_all(b"new")?;
                panic!("while writing")
            })
        });
        assert!(result.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&directory), ["x"]);
    }

    #[test]
    fn impossible_targets_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "old").unwrap();
        let cases = [
            (directory.path().to_path_buf(), "give the path of a file"),
            (directory.path().join("missing/x"), "create its directory first"),
            (file.join("x"), "give the path of a file"),
            (PathBuf::from(""), "give the path of a file"),
        ];
        for (path, wanted) in cases {
            let error = write_atomically(&path, |_| unreachable!()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(names(&directory), ["file"]);
    }

    #[test]
    fn a_protected_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "old").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        let error = write_atomically(&path, |_| unreachable!()).unwrap_err().to_string();
        assert!(error.contains("write-protected; choose another place"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let [plain, ours, link] = ["plain", "ours", "link"].map(|name| directory.path().join(name));

        File::create(&plain).unwrap();
        write_atomically(&ours, |writer| writer.write_all(b"1")).unwrap();
        assert_eq!(mode(&ours), mode(&plain));

        fs::set_permissions(&ours, Permissions::from_mode(0o646)).unwrap();
        symlink(&ours, &link).unwrap();
        write_atomically(&link, |writer| writer.write_all(b"2")).unwrap();
        assert_eq!(fs::read(&ours).unwrap(), b"2");
        assert_eq!(mode(&ours), 0o646);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
