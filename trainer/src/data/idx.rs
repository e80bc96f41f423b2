//! The IDX file format of MNIST and its relatives, plain or gzipped.
//!
//! All integers are big-endian: two zero bytes, the element type (`0x08`:
//! unsigned byte, the only one read here), the number of dimensions, each
//! dimension as `u32`, then the elements, last dimension fastest
//! (<http://yann.lecun.com/exdb/mnist/>).
//!
//! A file is read in two steps, so that a caller can check what the header
//! declares before any element is read. Memory grows with the bytes that are
//! really there: a header that lies costs nothing, and gzip data that unpacks to
//! far more than pictures do is refused before it takes much.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::DataError;

/// The most bytes of elements that are read from one file: 2 GiB.
pub const MAX_BYTES: usize = 1 << 31;

/// Beyond so many elements, 32 MiB, gzip data may unpack to at most
/// [`MAX_RATIO`] times its size. Pictures reach 4 to 10, gzip at most 1032.
const BOMB: usize = 32 << 20;
const MAX_RATIO: u64 = 200;

/// The most dimensions: image, row, column, channel.
const MAX_RANK: usize = 4;
const UNSIGNED_BYTE: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdxProblem {
    /// The system cannot open or read it.
    #[error("cannot read the file: {0}; check the path and its permissions")]
    Io(io::Error),
    /// The gzip stream is damaged, cut off, or followed by something else.
    #[error("the gzip data is damaged ({0}); download the file again")]
    Gzip(io::Error),
    /// The gzip data unpacks to more than 200 times its size, and to much.
    #[error(
        "unpacks to more than {MAX_RATIO} times its size, as no pictures do; if they are, unpack the file with gzip -d first"
    )]
    Bomb,
    /// It does not start as an IDX file does.
    #[error("not an IDX file; expected files as MNIST is distributed, gzipped or not")]
    NotIdx,
    /// Its elements are not unsigned bytes.
    #[error(
        "element type {0:#04x}, but only unsigned bytes (0x08) are read; convert the file to unsigned bytes"
    )]
    ElementType(u8),
    /// It has another number of dimensions than wanted.
    #[error("has {found} dimensions, but {wanted}; were image and label files exchanged?")]
    Rank {
        /// As the header says.
        found: usize,
        /// What the reader needs.
        wanted: &'static str,
    },
    /// The header declares more than [`MAX_BYTES`].
    #[error(
        "declares {0:?} elements, more than the limit of 2 GiB; split the data set or repair the header"
    )]
    TooLarge(Vec<u32>),
    /// The file ends early.
    #[error(
        "truncated: holds {found} of the {declared} bytes that its header declares; download the file again"
    )]
    Truncated {
        /// Elements in the file.
        found: usize,
        /// Elements by the header.
        declared: usize,
    },
    /// The file goes on after the last element.
    #[error("goes on after the {0} bytes that its header declares; download the file again")]
    TrailingBytes(usize),
}

/// An IDX file of unsigned bytes whose header has been read and checked.
pub struct Idx<'a> {
    path: PathBuf,
    gzipped: bool,
    dimensions: Vec<usize>,
    len: usize,
    elements: Box<dyn Read + 'a>,
    /// Bytes of the file that have been read.
    packed: Rc<Cell<u64>>,
}

/// A reader that counts what is taken from it.
struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.taken.set(self.taken.get() + amount as u64);
        self.inner.consume(amount);
    }
}

impl Idx<'static> {
    /// Opens the file at `path` and reads its header.
    ///
    /// # Errors
    /// [`DataError::Idx`], as [`Idx::from_reader`], and when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|error| DataError::Idx {
            path: path.to_path_buf(),
            problem: IdxProblem::Io(error),
        })?;
        Idx::from_reader(path, BufReader::new(file))
    }
}

impl<'a> Idx<'a> {
    /// Reads the header from `bytes`; `path` is only named in errors. Gzip is
    /// recognised by its first bytes, whatever the name.
    ///
    /// # Errors
    /// [`DataError::Idx`]: not IDX, not unsigned bytes, no or more than 4
    /// dimensions, more than [`MAX_BYTES`], gzip damaged or header cut off.
    pub fn from_reader(path: &Path, mut bytes: impl BufRead + 'a) -> Result<Self, DataError> {
        let path = path.to_path_buf();
        let gzipped = match bytes.fill_buf() {
            Ok(start) => start.starts_with(&GZIP_MAGIC),
            Err(error) => return Err(DataError::Idx { path, problem: IdxProblem::Io(error) }),
        };
        let packed = Rc::new(Cell::new(0));
        let bytes = Counted { inner: bytes, taken: packed.clone() };
        let mut elements: Box<dyn Read + 'a> =
            if gzipped { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        match read_header(&mut elements, gzipped) {
            Ok((dimensions, len)) => Ok(Idx { path, gzipped, dimensions, len, elements, packed }),
            Err(problem) => Err(DataError::Idx { path, problem }),
        }
    }

    /// The file's name, for errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sizes that the header declares, slowest first: 1 to 4 of them.
    pub fn dimensions(&self) -> &[usize] {
        &self.dimensions
    }

    /// An error about this file's number of dimensions.
    pub(super) fn rank_error(&self, wanted: &'static str) -> DataError {
        let problem = IdxProblem::Rank { found: self.dimensions.len(), wanted };
        DataError::Idx { path: self.path.clone(), problem }
    }

    /// Reads all elements, as many as the product of [`Idx::dimensions`].
    ///
    /// # Errors
    /// [`DataError::Idx`] when the file holds fewer or more bytes than its
    /// header declares, or its gzip stream is damaged anywhere or a bomb.
    pub fn read(mut self) -> Result<Vec<u8>, DataError> {
        let is_bomb =
            |unpacked: usize| self.gzipped && unpacked as u64 / MAX_RATIO > self.packed.get();
        let result = read_elements(&mut self.elements, self.len, self.gzipped, is_bomb);
        result.map_err(|problem| DataError::Idx { path: self.path, problem })
    }
}

/// The declared dimensions and their product.
fn read_header(bytes: &mut dyn Read, gzipped: bool) -> Result<(Vec<usize>, usize), IdxProblem> {
    let mut magic = [0; 4];
    read_or(bytes, &mut magic, gzipped, IdxProblem::NotIdx)?;
    let [0, 0, element_type, rank] = magic else { return Err(IdxProblem::NotIdx) };
    // The other element types of the format; anything else is some other file.
    match element_type {
        UNSIGNED_BYTE => {}
        0x09 | 0x0b..=0x0e => return Err(IdxProblem::ElementType(element_type)),
        _ => return Err(IdxProblem::NotIdx),
    }
    let rank = usize::from(rank);
    if rank == 0 || rank > MAX_RANK {
        let wanted = "an image file has 3 or 4 and a label file has 1";
        return Err(IdxProblem::Rank { found: rank, wanted });
    }
    let mut declared = Vec::with_capacity(rank);
    for _ in 0..rank {
        let mut size = [0; 4];
        read_or(bytes, &mut size, gzipped, IdxProblem::NotIdx)?;
        declared.push(u32::from_be_bytes(size));
    }
    let product = declared.iter().try_fold(1u64, |product, &d| product.checked_mul(d.into()));
    match product.and_then(|len| usize::try_from(len).ok()) {
        Some(len) if len <= MAX_BYTES => {
            Ok((declared.into_iter().map(|d| d as usize).collect(), len))
        }
        _ => Err(IdxProblem::TooLarge(declared)),
    }
}

/// Fills `buffer`, or says that the file ended early with `at_end`.
fn read_or(
    bytes: &mut dyn Read,
    buffer: &mut [u8],
    gzipped: bool,
    at_end: IdxProblem,
) -> Result<(), IdxProblem> {
    bytes.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof if !gzipped => at_end,
        _ => read_error(error, gzipped),
    })
}

fn read_elements(
    bytes: &mut dyn Read,
    len: usize,
    gzipped: bool,
    is_bomb: impl Fn(usize) -> bool,
) -> Result<Vec<u8>, IdxProblem> {
    let elements = read_at_most(bytes, len, is_bomb).map_err(|error| match error {
        None => IdxProblem::Bomb,
        Some(error) => read_error(error, gzipped),
    })?;
    if elements.len() < len {
        return Err(IdxProblem::Truncated { found: elements.len(), declared: len });
    }
    // Reading on to the end also makes the decoder check gzip's own checksum.
    match bytes.take(1).read_to_end(&mut Vec::new()) {
        Ok(0) => Ok(elements),
        Ok(_) => Err(IdxProblem::TrailingBytes(len)),
        Err(error) => Err(read_error(error, gzipped)),
    }
}

/// Reads `len` bytes, or fewer where the reader ends before. The buffer never
/// holds more than twice what has been read (or 64 KiB), nor more than `len`.
/// `None` is the error when `is_bomb` says so of so many bytes.
fn read_at_most(
    bytes: &mut dyn Read,
    len: usize,
    is_bomb: impl Fn(usize) -> bool,
) -> Result<Vec<u8>, Option<io::Error>> {
    const FIRST: usize = 64 << 10;
    let mut buffer = Vec::new();
    while buffer.len() < len {
        if buffer.len() >= BOMB && is_bomb(buffer.len()) {
            return Err(None);
        }
        let wanted = buffer.len().max(FIRST).min(len - buffer.len());
        buffer.reserve_exact(wanted);
        if bytes.take(wanted as u64).read_to_end(&mut buffer)? < wanted {
            break;
        }
    }
    Ok(buffer)
}

/// The decoder reports damage through the kinds of error below; any other
/// comes from the file underneath.
fn read_error(error: io::Error, gzipped: bool) -> IdxProblem {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof if gzipped => IdxProblem::Gzip(error),
        _ => IdxProblem::Io(error),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::io::Write;

    /// An IDX file of unsigned bytes.
    pub fn encode(dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, UNSIGNED_BYTE, dimensions.len() as u8];
        file.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
        file.extend_from_slice(elements);
        file
    }

    pub fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(file: &[u8]) -> Result<(Vec<usize>, Vec<u8>), IdxProblem> {
        let idx = Idx::from_reader(Path::new("set/x-idx3-ubyte"), file);
        let result = idx.and_then(|idx| Ok((idx.dimensions().to_vec(), idx.read()?)));
        result.map_err(|error| {
            assert!(error.to_string().starts_with("set/x-idx3-ubyte: "), "{error}");
            let DataError::Idx { problem, .. } = error else { panic!("{error}") };
            problem
        })
    }

    #[test]
    fn every_cut_is_an_error() {
        let plain = encode(&[2, 3, 2], &[7; 12]);
        for file in [plain.clone(), gzip(&plain)] {
            assert!(decode(&file).is_ok());
            for cut in 0..file.len() {
                assert!(decode(&file[..cut]).is_err(), "cut at {cut}");
            }
        }
        assert!(matches!(decode(&plain[..15]), Err(IdxProblem::NotIdx)));
        let short = decode(&plain[..20]);
        assert!(matches!(short, Err(IdxProblem::Truncated { found: 4, declared: 12 })));
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let plain = encode(&[2], &[1, 2, 3]);
        assert!(matches!(decode(&plain), Err(IdxProblem::TrailingBytes(2))));
        assert!(matches!(decode(&gzip(&plain)), Err(IdxProblem::TrailingBytes(2))));
        let mut zipped = gzip(&encode(&[2], &[1, 2]));
        zipped.push(0);
        assert!(matches!(decode(&zipped), Err(IdxProblem::Gzip(_))));
    }

    #[test]
    fn the_gzip_checksum_is_checked() {
        let file = gzip(&encode(&[3], &[1, 2, 3]));
        // The last 8 bytes are the CRC-32 and the length of the content.
        for bit in (file.len() - 8) * 8..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&damaged), Err(IdxProblem::Gzip(_))), "bit {bit}");
        }
    }

    #[test]
    fn gzip_of_several_members_is_one_file() {
        let plain = encode(&[4], &[1, 2, 3, 4]);
        let (start, end) = plain.split_at(9);
        let members = [gzip(start), gzip(end)].concat();
        assert_eq!(decode(&members).unwrap(), (vec![4], vec![1, 2, 3, 4]));
    }

    #[test]
    fn headers_are_checked() {
        assert!(matches!(decode(b""), Err(IdxProblem::NotIdx)));
        assert!(matches!(decode(b"\x89PNG\r\n\x1a\n"), Err(IdxProblem::NotIdx)));
        assert!(matches!(decode(&[0, 0, 1, 1, 0, 0, 0, 0]), Err(IdxProblem::NotIdx)));
        assert!(matches!(decode(&[0, 0, 0x0d, 1, 0, 0, 0, 0]), Err(IdxProblem::ElementType(0x0d))));
        for rank in [0u8, 5, 255] {
            assert!(
                matches!(decode(&[0, 0, 8, rank]), Err(IdxProblem::Rank { found, .. }) if found == usize::from(rank))
            );
        }
        for dimensions in [[u32::MAX; 4].as_slice(), &[1 << 31, 1, 2], &[(1 << 31) + 1]] {
            let found = decode(&encode(dimensions, &[]));
            assert!(matches!(found, Err(IdxProblem::TooLarge(d)) if d == dimensions));
        }
        let largest = decode(&encode(&[1 << 31], &[]));
        assert!(matches!(largest, Err(IdxProblem::Truncated { found: 0, declared: MAX_BYTES })));
    }

    #[test]
    fn memory_follows_the_bytes_that_are_there() {
        for there in [0, 1, 100, 100_000, 1_000_000] {
            let bytes = vec![1; there];
            let read = read_at_most(&mut bytes.as_slice(), MAX_BYTES, |_| true).unwrap();
            assert_eq!(read, bytes);
            assert!(read.capacity() <= (2 * there).max(64 << 10), "{}", read.capacity());
        }
    }

    /// A gzip bomb: 64 MB of zeros after an honest start are not unpacked.
    #[test]
    fn nothing_is_unpacked_beyond_the_declared_length() {
        struct Counting<'a>(&'a [u8], &'a Cell<usize>);
        impl Read for Counting<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let n = self.0.read(buffer)?;
                self.1.set(self.1.get() + n);
                Ok(n)
            }
        }
        let bomb = gzip(&encode(&[1, 28, 28], &vec![0; 64 << 20]));
        let consumed = Cell::new(0);
        let reader = BufReader::with_capacity(1024, Counting(&bomb, &consumed));
        let error = Idx::from_reader(Path::new("bomb"), reader).unwrap().read().unwrap_err();
        assert!(matches!(error, DataError::Idx { problem: IdxProblem::TrailingBytes(784), .. }));
        assert!(consumed.get() * 10 < bomb.len(), "{} of {}", consumed.get(), bomb.len());
    }

    /// Neither are gigabytes that the header declares: blank pictures of a
    /// moderate number are read, and pictures of any.
    #[test]
    fn what_unpacks_to_far_more_than_pictures_is_refused() {
        let blank = |count: u32| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&encode(&[count, 64, 64], &vec![0; count as usize * 4096])).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(decode(&blank(8192)).unwrap().1.len(), BOMB);
        assert!(matches!(decode(&blank(16_384)), Err(IdxProblem::Bomb)));

        // One byte in ten is noise.
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let pictures: Vec<u8> =
            (0..40 << 20).map(|i| if i % 10 == 0 { noise() } else { 0 }).collect();
        let file = gzip(&encode(&[10_240, 64, 64], &pictures));
        assert_eq!(decode(&file).unwrap().1.len(), 40 << 20);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Idx::open(Path::new("no/such-file")).err().unwrap().to_string();
        assert!(error.starts_with("no/such-file: cannot read the file"), "{error}");
    }

    proptest! {
        #[test]
        fn round_trip(dimensions in prop::collection::vec(0u32..6, 1..5), zipped: bool, first: u8) {
            let len: u32 = dimensions.iter().product();
            let elements: Vec<u8> = (0..len).map(|i| first.wrapping_add(i as u8)).collect();
            let plain = encode(&dimensions, &elements);
            let (found, read) = decode(&if zipped { gzip(&plain) } else { plain }).unwrap();
            prop_assert_eq!(found, dimensions.iter().map(|&d| d as usize).collect::<Vec<_>>());
            prop_assert_eq!(read, elements);
        }

        #[test]
        fn corruption_never_panics(
            zipped: bool,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let plain = encode(&[3, 4, 5], &[9; 60]);
            let mut file = if zipped { gzip(&plain) } else { plain };
            for (place, value) in changes {
                let place = place.index(file.len());
                file[place] = value;
            }
            if let Ok((dimensions, elements)) = decode(&file) {
                prop_assert_eq!(dimensions.iter().product::<usize>(), elements.len());
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[[0, 0, 8].as_slice(), &bytes].concat());
        }
    }
}
