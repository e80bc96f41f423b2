//! Arrays as `.npy` files, which NumPy and most other tools read.

use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayRef, Dimension};
use ndarray_npy::{WritableElement, WriteNpyError, WriteNpyExt};

use super::{WriteError, write_atomically};

/// Writes an array of any rank, such as embeddings `[images, dimensions]` of
/// `f32` or labels `[images]` of `u16`, as one `.npy` file.
///
/// # Errors
/// The file cannot be written; what was there before is unchanged.
pub fn write_npy<A: WritableElement, D: Dimension>(
    path: impl AsRef<Path>,
    array: &ArrayRef<A, D>,
) -> Result<(), WriteError> {
    write_atomically(path, npy(array))
}

/// What writes such a file.
pub(super) fn npy<A: WritableElement, D: Dimension>(
    array: &ArrayRef<A, D>,
) -> impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()> {
    |writer| {
        array.write_npy(writer).map_err(|error| match error {
            WriteNpyError::Io(error) => error,
            other => io::Error::other(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, array};
    use ndarray_npy::read_npy;
    use std::fs;

    #[test]
    fn arrays_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npy");
        let embeddings =
            Array2::from_shape_fn((7, 5), |(i, j)| (i as f32 - 0.1) / (j as f32 + 0.7));
        write_npy(&path, &embeddings).unwrap();
        assert_eq!(read_npy::<_, Array2<f32>>(&path).unwrap(), embeddings);
        // Every second row: not contiguous in memory.
        let rows = embeddings.slice(ndarray::s![..;2, ..]);
        write_npy(&path, &rows).unwrap();
        assert_eq!(read_npy::<_, Array2<f32>>(&path).unwrap(), rows);
        write_npy(&path, &array![3u16, 65_535]).unwrap();
        assert_eq!(read_npy::<_, Array1<u16>>(&path).unwrap(), array![3, 65_535]);
    }

    #[test]
    fn header_and_bytes_follow_the_format() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npy");
        write_npy(&path, &array![[1.0f32, -2.0]]).unwrap();
        let bytes = fs::read(&path).unwrap();
        let (header, values) = bytes.split_at(bytes.len() - 8);
        assert!(header.starts_with(b"\x93NUMPY\x01\x00"));
        assert_eq!(header.len() % 64, 0);
        let header = String::from_utf8_lossy(&header[10..]);
        for entry in ["'descr': '<f4'", "'fortran_order': False", "'shape': (1, 2)"] {
            assert!(header.contains(entry), "{header}");
        }
        assert_eq!(values, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing").join("x.npy");
        let error = write_npy(&path, &array![1.0f32]).unwrap_err();
        assert_eq!(error.path, path);
    }
}
