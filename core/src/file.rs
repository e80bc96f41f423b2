//! The container that model and gallery files share: one postcard message of
//! magic bytes, version, header, padding, body and CRC-32, described byte by
//! byte in `docs/model-format.md`.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};
use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize};

#[cfg(target_endian = "big")]
compile_error!("model and gallery files are borrowed in place as little-endian values");

/// Newest version of the container and of both headers.
pub(crate) const VERSION: u8 = 1;

/// The body starts at a multiple of this in the file.
const ALIGNMENT: usize = 16;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A running CRC-32.
pub(crate) fn crc32() -> Digest<'static, u32, Table<1>> {
    CRC.digest()
}

/// What a file holds, told by its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FileKind {
    /// A network and its parameters.
    Model,
    /// Labelled embeddings.
    Gallery,
}

impl FileKind {
    const fn magic(self) -> [u8; 8] {
        match self {
            FileKind::Model => *b"LKMODEL\0",
            FileKind::Gallery => *b"LKGALRY\0",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Model => "model",
            FileKind::Gallery => "gallery",
        })
    }
}

/// Why bytes are not a readable file, or could not be written as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FileError {
    /// The magic bytes are not those of the expected kind.
    Magic {
        /// The kind that was asked for.
        expected: FileKind,
    },
    /// The file has a version that this library does not read.
    Version {
        /// The file's version.
        found: u8,
        /// The newest version that this library reads.
        newest: u8,
    },
    /// The file ends before its last field.
    Truncated,
    /// Bytes follow the checksum.
    TrailingBytes,
    /// The CRC-32 does not fit the content.
    Checksum,
    /// The checksum fits, but a field is out of its range.
    Malformed,
    /// The bytes do not lie at an address that is a multiple of 4.
    Misaligned,
    /// The buffer to write into is too small.
    Buffer {
        /// Bytes that the file takes.
        needed: usize,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Magic { expected } => write!(f, "this is not a {expected} file"),
            FileError::Version { found, newest } => {
                write!(f, "the file has version {found}, the newest supported is {newest}")
            }
            FileError::Truncated => f.write_str("the file ends too early"),
            FileError::TrailingBytes => f.write_str("the file goes on after its checksum"),
            FileError::Checksum => f.write_str("the file is damaged: its checksum does not fit"),
            FileError::Malformed => f.write_str("the file has a field that is out of range"),
            FileError::Misaligned => f.write_str(
                "the file does not lie at an aligned address: include it with include_model! or \
                 include_gallery!, or read it into an aligned buffer",
            ),
            FileError::Buffer { needed } => {
                write!(f, "the buffer is too small: the file takes {needed} bytes")
            }
        }
    }
}

impl core::error::Error for FileError {}

/// Checks a file and gives its header and its body.
///
/// Magic and version come before the checksum, so that a wrong or a newer file
/// is called that; a field that cannot be parsed is damage unless the checksum
/// says otherwise.
pub(crate) fn open<'a, H: Deserialize<'a>>(
    bytes: &'a [u8],
    kind: FileKind,
) -> Result<(H, &'a [u8]), FileError> {
    let magic = kind.magic();
    let Some((found, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(if magic.starts_with(bytes) {
            FileError::Truncated
        } else {
            FileError::Magic { expected: kind }
        });
    };
    if *found != magic {
        return Err(FileError::Magic { expected: kind });
    }
    let (&version, rest) = rest.split_first().ok_or(FileError::Truncated)?;
    if version != VERSION {
        return Err(FileError::Version { found: version, newest: VERSION });
    }
    let unreadable = |error| match error {
        postcard::Error::DeserializeUnexpectedEnd => FileError::Truncated,
        _ if checksum_fits(bytes) => FileError::Malformed,
        _ => FileError::Checksum,
    };
    let (header, rest) = postcard::take_from_bytes::<H>(rest).map_err(unreadable)?;
    let (padding, rest) = postcard::take_from_bytes::<&[u8]>(rest).map_err(unreadable)?;
    let (body, rest) = postcard::take_from_bytes::<&[u8]>(rest).map_err(unreadable)?;
    match rest.len() {
        0..4 => return Err(FileError::Truncated),
        4 => {}
        _ => return Err(FileError::TrailingBytes),
    }
    if !checksum_fits(bytes) {
        return Err(FileError::Checksum);
    }
    let body_start = bytes.len() - rest.len() - body.len();
    if !body_start.is_multiple_of(ALIGNMENT) || padding.iter().any(|&byte| byte != 0) {
        return Err(FileError::Malformed);
    }
    Ok((header, body))
}

fn checksum_fits(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(content, crc)| CRC.checksum(content) == u32::from_le_bytes(*crc))
}

/// Views a body as values; `Misaligned` unless its address suits their type.
pub(crate) fn values<T: bytemuck::AnyBitPattern>(body: &[u8]) -> Result<&[T], FileError> {
    bytemuck::try_cast_slice(body).map_err(|error| match error {
        bytemuck::PodCastError::TargetAlignmentGreaterAndInputNotAligned => FileError::Misaligned,
        _ => FileError::Malformed,
    })
}

/// Views words as floating-point numbers, which have their size and alignment.
pub(crate) fn cast(words: &[u32]) -> &[f32] {
    bytemuck::try_cast_slice(words).unwrap_or_default()
}

/// Where the parts of a file lie.
struct Plan {
    padding: &'static [u8],
    body_start: usize,
    file_len: usize,
}

impl Plan {
    fn new<H: Serialize>(kind: FileKind, header: &H, body_len: usize) -> Result<Plan, FileError> {
        let empty = prefix(kind, header, &[], body_len);
        let unpadded = postcard::serialize_with_flavor(&empty, Size::default())
            .map_err(|_| FileError::Malformed)?;
        let body_start = unpadded.next_multiple_of(ALIGNMENT);
        // At most 15 bytes, so their length stays one byte.
        let padding = [0; ALIGNMENT].get(..body_start - unpadded).unwrap_or_default();
        Ok(Plan { padding, body_start, file_len: body_start + body_len + 4 })
    }
}

/// The fields before the body's content: a byte field is its length, then its bytes.
fn prefix<'a, H>(
    kind: FileKind,
    header: &'a H,
    padding: &'a [u8],
    body_len: usize,
) -> impl Serialize + use<'a, H>
where
    H: Serialize,
{
    (kind.magic(), VERSION, header, padding, body_len as u64)
}

/// Bytes that [`write()`] takes.
pub(crate) fn len<H: Serialize>(
    kind: FileKind,
    header: &H,
    body_len: usize,
) -> Result<usize, FileError> {
    Ok(Plan::new(kind, header, body_len)?.file_len)
}

/// Writes a file to the start of `out` and gives its length.
///
/// `fill` produces the body in place. It may complete the header too, without
/// changing its encoded length.
pub(crate) fn write<H: Serialize>(
    kind: FileKind,
    header: &mut H,
    body_len: usize,
    out: &mut [u8],
    fill: impl FnOnce(&mut H, &mut [u8]) -> Result<(), FileError>,
) -> Result<usize, FileError> {
    let plan = Plan::new(kind, header, body_len)?;
    let too_small = FileError::Buffer { needed: plan.file_len };
    let out = out.get_mut(..plan.file_len).ok_or(too_small)?;
    let (content, crc) = out.split_last_chunk_mut::<4>().ok_or(too_small)?;
    let (head, body) = content.split_at_mut_checked(plan.body_start).ok_or(too_small)?;
    fill(header, body)?;
    let written = postcard::to_slice(&prefix(kind, header, plan.padding, body_len), head)
        .map_err(|_| FileError::Malformed)?;
    if written.len() != plan.body_start {
        return Err(FileError::Malformed);
    }
    *crc = CRC.checksum(content).to_le_bytes();
    Ok(plan.file_len)
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Header<'a> {
        code: u8,
        number: u32,
        names: &'a str,
    }

    #[derive(Serialize)]
    struct Message<'a> {
        magic: [u8; 8],
        version: u8,
        header: Header<'a>,
        padding: &'a [u8],
        body: &'a [u8],
        crc: [u8; 4],
    }

    const HEADER: Header<'static> = Header { code: 3, number: 70_000, names: "zero\none" };

    fn small_file() -> Vec<u8> {
        let mut out = vec![0xAA; 200];
        let body = [1, 2, 3, 4, 5];
        let len = write(FileKind::Model, &mut HEADER.clone(), body.len(), &mut out, |_, out| {
            out.copy_from_slice(&body);
            Ok(())
        });
        assert_eq!(len, super::len(FileKind::Model, &HEADER, body.len()));
        out.truncate(len.unwrap());
        out
    }

    fn reopen(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), FileError> {
        open(bytes, FileKind::Model)
    }

    fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
        let content = bytes.len() - 4;
        let crc = CRC.checksum(&bytes[..content]).to_le_bytes();
        bytes[content..].copy_from_slice(&crc);
        bytes
    }

    #[test]
    fn bytes_are_those_of_the_postcard_message() {
        // Bodies on both sides of a longer length field.
        for body_len in [0usize, 1, 127, 128, 300, 16_384] {
            let body: Vec<u8> = (0..body_len).map(|i| i as u8).collect();
            let mut out = vec![0xAA; body_len + 200];
            let len =
                write(FileKind::Gallery, &mut HEADER.clone(), body_len, &mut out, |_, out| {
                    out.copy_from_slice(&body);
                    Ok(())
                })
                .unwrap();
            let body_start = len - 4 - body_len;
            assert_eq!(body_start % 16, 0);
            let crc = CRC.checksum(&out[..len - 4]).to_le_bytes();
            let header_len = postcard::to_allocvec(&HEADER).unwrap().len();
            let padding = &[0; 15][..usize::from(out[9 + header_len])];
            let message = Message {
                magic: *b"LKGALRY\0",
                version: 1,
                header: HEADER,
                padding,
                body: &body,
                crc,
            };
            assert_eq!(postcard::to_allocvec(&message).unwrap(), &out[..len], "{body_len}");
            assert_eq!(open(&out[..len], FileKind::Gallery), Ok((HEADER, &body[..])));
        }
    }

    #[test]
    fn every_truncation_is_told() {
        let file = small_file();
        assert_eq!(reopen(&file), Ok((HEADER, &[1, 2, 3, 4, 5][..])));
        for len in 0..file.len() {
            assert_eq!(reopen(&file[..len]), Err(FileError::Truncated), "{len} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_is_rejected() {
        let file = small_file();
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = reopen(&damaged).unwrap_err();
            match bit / 8 {
                0..8 => assert_eq!(error, FileError::Magic { expected: FileKind::Model }),
                8 => assert_eq!(error, FileError::Version { found: damaged[8], newest: 1 }),
                _ => assert_ne!(error, FileError::Malformed),
            }
        }
    }

    #[test]
    fn other_files_are_told() {
        let file = small_file();
        let wrong = Err(FileError::Magic { expected: FileKind::Gallery });
        assert_eq!(open::<Header<'_>>(&file, FileKind::Gallery), wrong);
        assert_eq!(reopen(b"PNG"), Err(FileError::Magic { expected: FileKind::Model }));
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(reopen(&longer), Err(FileError::TrailingBytes));
    }

    #[test]
    fn a_bad_field_under_a_good_checksum_is_malformed() {
        let file = small_file();
        let names = file.windows(4).position(|w| w == b"zero").unwrap();
        let mut not_utf8 = file.clone();
        not_utf8[names] = 0xFF;
        assert_eq!(reopen(&not_utf8), Err(FileError::Checksum));
        assert_eq!(reopen(&with_checksum(not_utf8)), Err(FileError::Malformed));

        let mut padded = file.clone();
        padded[names + HEADER.names.len() + 1] = 1;
        assert_eq!(reopen(&with_checksum(padded)), Err(FileError::Malformed));

        // A name that is one byte shorter puts the body at an odd offset.
        let mut shifted = file.clone();
        shifted.remove(names);
        shifted[names - 1] -= 1;
        assert_eq!(reopen(&with_checksum(shifted)), Err(FileError::Malformed));
    }

    #[test]
    fn too_small_a_buffer_is_told() {
        let needed = small_file().len();
        let mut out = vec![0; needed - 1];
        let result = write(FileKind::Model, &mut HEADER.clone(), 5, &mut out, |_, _| Ok(()));
        assert_eq!(result, Err(FileError::Buffer { needed }));
    }

    #[test]
    fn a_header_that_changes_length_is_not_written() {
        let mut out = [0; 200];
        let result = write(FileKind::Model, &mut HEADER.clone(), 5, &mut out, |header, _| {
            header.number = 1;
            Ok(())
        });
        assert_eq!(result, Err(FileError::Malformed));
    }
}
