//! A file in memory, aligned as the zero-copy readers need it.

use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

/// Why a file cannot be read into memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system cannot open or read it.
    #[error("{}: cannot read the file: {cause}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("{}: not a regular file; give the path of a file on a disk", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It is larger than the limit.
    #[error("{}: {len} bytes, more than the limit of {limit}; is this the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
        /// The most bytes that are read.
        limit: usize,
    },
    /// Its length changed while it was read.
    #[error("{}: changed while it was read; try again when it is complete", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// What tells a file of the right kind.
const HEAD: usize = 64;

/// Bytes whose first one is at an address divisible by 16.
#[derive(Clone, Debug, Default)]
pub struct AlignedBytes {
    words: Vec<u128>,
    len: usize,
}

const _: () = assert!(align_of::<u128>() >= AlignedBytes::ALIGNMENT);

impl AlignedBytes {
    /// The alignment of the first byte.
    pub const ALIGNMENT: usize = 16;

    /// The most bytes that [`AlignedBytes::read`] reads: 1 GiB.
    pub const LIMIT: usize = 1 << 30;

    /// Reads the file at `path`, of at most [`AlignedBytes::LIMIT`] bytes.
    ///
    /// # Errors
    /// Not a readable, regular file; too large; or written to meanwhile.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::read_at_most(path.as_ref(), Self::LIMIT)
    }

    /// As [`AlignedBytes::read`], with another limit in bytes.
    ///
    /// # Errors
    /// As [`AlignedBytes::read`].
    pub fn read_at_most(path: &Path, limit: usize) -> Result<Self, ReadError> {
        Self::read_checked(path, limit, |_| true)
    }

    /// As [`AlignedBytes::read`], but only the first 64 bytes of a file whose
    /// first 64 bytes `is_ours` denies: enough to say what is wrong with it,
    /// however large it is.
    ///
    /// # Errors
    /// As [`AlignedBytes::read`].
    pub fn read_if(path: &Path, is_ours: impl FnOnce(&[u8]) -> bool) -> Result<Self, ReadError> {
        Self::read_checked(path, Self::LIMIT, is_ours)
    }

    fn read_checked(
        path: &Path,
        limit: usize,
        is_ours: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Self, ReadError> {
        let io_error = |cause| ReadError::Io { path: path.to_path_buf(), cause };
        // Opening a pipe would wait for its other end, so look first.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if !metadata.is_file() {
            return Err(ReadError::NotAFile { path: path.to_path_buf() });
        }
        let mut file = File::open(path).map_err(io_error)?;
        let declared = file.metadata().map_err(io_error)?.len();
        let len = match usize::try_from(declared) {
            Ok(len) if len <= limit => len,
            _ => {
                let path = path.to_path_buf();
                return Err(ReadError::TooLarge { path, len: declared, limit });
            }
        };
        let mut head = [0; HEAD];
        let head = &mut head[..len.min(HEAD)];
        let mut bytes = Self::default();
        let read = file.read_exact(head).and_then(|()| {
            if !is_ours(head) {
                return Ok(false);
            }
            bytes = Self::zeroed(len);
            let (start, rest) = bytes.split_at_mut(head.len());
            start.copy_from_slice(head);
            file.read_exact(rest).map(|()| true)
        });
        match read {
            Ok(false) => Ok((&*head).into()),
            Ok(true) if file.read(&mut [0]).map_err(io_error)? == 0 => Ok(bytes),
            Err(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => Err(io_error(cause)),
            _ => Err(ReadError::Changed { path: path.to_path_buf() }),
        }
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        AlignedBytes { words: vec![0; len.div_ceil(size_of::<u128>())], len }
    }
}

impl From<&[u8]> for AlignedBytes {
    /// Copies the bytes.
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.copy_from_slice(bytes);
        aligned
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn content_and_alignment_hold_for_every_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        for len in 0u8..50 {
            let content: Vec<u8> = (1..=len).collect();
            fs::write(&path, &content).unwrap();
            for bytes in [AlignedBytes::read(&path).unwrap(), content.as_slice().into()] {
                assert_eq!(*bytes, *content);
                assert_eq!(bytes.as_ptr().addr() % AlignedBytes::ALIGNMENT, 0);
            }
        }
    }

    #[test]
    fn of_a_file_of_another_kind_only_the_start_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        for len in [0, 1, 63, 64, 65, 1000] {
            let content: Vec<u8> = (0..len).map(|i| i as u8).collect();
            fs::write(&path, &content).unwrap();
            let mut seen = Vec::new();
            let whole = AlignedBytes::read_if(&path, |head| {
                seen = head.to_vec();
                true
            });
            assert_eq!(*whole.unwrap(), *content);
            let start = &content[..len.min(64)];
            assert_eq!(seen, start);
            assert_eq!(*AlignedBytes::read_if(&path, |_| false).unwrap(), *start);
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let error = AlignedBytes::read(&path).unwrap_err();
        assert!(matches!(error, ReadError::Io { .. }));
        assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        let error = AlignedBytes::read(directory.path()).unwrap_err();
        assert!(matches!(error, ReadError::NotAFile { .. }));
        fs::write(&path, [0; 17]).unwrap();
        assert_eq!(AlignedBytes::read_at_most(&path, 17).unwrap().len(), 17);
        let error = AlignedBytes::read_at_most(&path, 16).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { len: 17, limit: 16, .. }));
    }
}
