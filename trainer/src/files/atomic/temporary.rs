//! Temporary files, and those that a killed process left behind.
//!
//! A temporary file or directory is locked as long as its writer lives. One that
//! can be locked has none, and is removed by the next writer of the same name.
//! Who removes holds the lock as well, so one between its creation and its
//! writer's lock is at worst made again, never lost.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::Disk;

const SUFFIX: &str = ".tmp";
/// Random letters and digits in a name.
const RANDOM: usize = 6;

/// What temporary names of `name` start with.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Names for what is in the making: `.NAME.RANDOM.tmp`.
fn builder(prefix: &OsStr) -> Builder<'_, '_> {
    let mut builder = Builder::new();
    builder.prefix(prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// A new, locked file for what becomes `name`, after the removal of abandoned ones.
pub(super) fn create(
    disk: &impl Disk,
    directory: &Path,
    name: &OsStr,
    permissions: Option<Permissions>,
) -> io::Result<NamedTempFile> {
    let prefix = prefix(name);
    remove_abandoned(directory, &prefix);
    let mut builder = builder(&prefix);
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    loop {
        let temporary = disk.create(&builder, directory)?;
        lock(temporary.as_file());
        // Otherwise another writer took it for abandoned.
        if temporary.path().try_exists()? {
            return Ok(temporary);
        }
    }
}

/// A new directory for what becomes `name`, after the removal of abandoned
/// ones, and its lock where directories can be locked.
pub(in crate::files) fn create_directory(
    directory: &Path,
    name: &OsStr,
) -> io::Result<(TempDir, Option<File>)> {
    let prefix = prefix(name);
    for path in entries(directory, &prefix) {
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir())
            && let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
    loop {
        let temporary = builder(&prefix).tempdir_in(directory)?;
        let opened = File::open(temporary.path()).ok();
        opened.iter().for_each(lock);
        if temporary.path().try_exists()? {
            return Ok((temporary, opened));
        }
    }
}

/// Waits for the lock. A file system without locks gives none to whoever looks
/// for abandoned files either.
fn lock(file: &File) {
    while file.lock().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
}

/// Removes files that nobody writes any more. What cannot be removed stays: it
/// is in nobody's way.
fn remove_abandoned(directory: &Path, prefix: &OsStr) {
    for path in entries(directory, prefix) {
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file())
            && let Ok(file) = OpenOptions::new().read(true).write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// What lies in `directory` under names that start with `prefix` and go on as
/// those of [`builder`] do.
fn entries(directory: &Path, prefix: &OsStr) -> impl Iterator<Item = PathBuf> {
    let prefix = prefix.as_encoded_bytes().to_vec();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(move |entry| {
            let name = entry.file_name();
            let random = name.as_encoded_bytes().strip_prefix(&*prefix);
            let random = random.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
            random.is_some_and(|r| r.len() == RANDOM && r.iter().all(u8::is_ascii_alphanumeric))
        })
        .map(|entry| entry.path())
}
