//! Pictures in files: read within limits and turned upright.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::codecs::png::PngEncoder;
use image::error::{ParameterError, ParameterErrorKind};
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits,
};
use lookalike::Shape;

use super::resample;

/// The most pixels of a picture's side.
pub const MAX_SIDE: u32 = 16_384;

/// The most bytes of a decoded picture: 512 MiB.
pub const MAX_DECODED: u64 = 512 << 20;

/// The most bytes that a PNG's colour profile and the like may unpack to: 32 MiB,
/// where profiles have some kilobytes and rarely a few megabytes.
const MAX_BESIDE_PIXELS: u64 = 32 << 20;

/// The most bytes of a picture's file, which some decoders read whole: 256 MiB.
pub const MAX_FILE: u64 = 256 << 20;

/// Of pictures with more decoded bytes than this, 64 MiB, one at a time is
/// loaded, whatever the number of threads.
const LARGE: u64 = 64 << 20;

/// Why a picture cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFileError {
    /// The system cannot open or read it.
    #[error("{}: cannot read the file: {cause}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is none of the formats that are read.
    #[error("{}: not a PNG, JPEG or BMP picture; convert it to one of these", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// It is more than [`MAX_SIDE`] pixels wide or high, or more than
    /// [`MAX_FILE`] bytes, or more than [`MAX_DECODED`] when decoded.
    #[error("{}: too large; a picture may have {MAX_SIDE} pixels a side, a file of {} MiB and {} MiB decoded, so scale it down first", path.display(), MAX_FILE >> 20, MAX_DECODED >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or uses a feature that the decoder lacks.
    #[error("{}: cannot decode the picture: {cause}; save it again with another program", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        cause: ImageError,
    },
    /// The network wants neither grey nor colour images.
    #[error("{}: the network takes images of {channels} channels, but a picture can only give 1 (grey) or 3 (colour); use a network with one of these", path.display())]
    Channels {
        /// The file.
        path: PathBuf,
        /// The network's input channels.
        channels: usize,
    },
}

/// What a picture's file says before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Rows, upright.
    pub height: u32,
    /// Columns, upright.
    pub width: u32,
    /// Whether it is stored in colour; its pixels may still all be grey.
    pub coloured: bool,
}

/// Reads what a PNG, JPEG or BMP file says about its picture.
///
/// # Errors
/// As [`load`], as far as it is found before decoding.
pub fn header(path: &Path) -> Result<Header, ImageFileError> {
    let read = |mut decoder: Decoder<'_>| {
        let (width, height) = decoder.dimensions();
        let turned = matches!(
            decoder.orientation()?,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let (width, height) = if turned { (height, width) } else { (width, height) };
        Ok(Header { height, width, coloured: decoder.color_type().has_color() })
    };
    with_decoder(path, open(path)?, read)
}

/// Loads a PNG, JPEG or BMP picture, recognised by its content, and converts
/// it to `shape.len()` bytes, channels-last.
///
/// In this order: the orientation noted by a camera is applied; transparency
/// is laid on white; for 1 channel, colour becomes luma (0.2126 R + 0.7152 G +
/// 0.0722 B of the stored values); the largest part in the middle that has the
/// shape's proportions is kept; it is scaled to `shape.height` x `shape.width`
/// with a triangle filter (bilinear; when scaling down, it averages over all
/// pixels that fall on one); with `invert` each value v becomes 255 - v, as
/// dark drawings on light paper need for a network that learned light ones on
/// black, like MNIST's.
///
/// Takes about 3 bytes of memory for each pixel of a photo in colour; of the
/// largest pictures, which several threads load one after another, about 1 GiB.
///
/// # Errors
/// The file is missing, of another format, damaged or too large, or the shape
/// has neither 1 nor 3 channels.
pub fn load(path: &Path, shape: Shape, invert: bool) -> Result<Vec<u8>, ImageFileError> {
    convert(path, open(path)?, shape, invert)
}

/// [`load`] of a file's content; `path` is only named in errors.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(
    path: &Path,
    bytes: &[u8],
    shape: Shape,
    invert: bool,
) -> Result<Vec<u8>, ImageFileError> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(ImageFileError::TooLarge { path: path.to_path_buf() });
    }
    convert(path, Cursor::new(bytes), shape, invert)
}

/// An image as a PNG file.
///
/// # Errors
/// [`ImageError`] if the image is neither grey nor in colour, or the pixels are
/// not `shape.len()`.
pub fn png(pixels: &[u8], shape: Shape) -> Result<Vec<u8>, ImageError> {
    let colour = if shape.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    if pixels.len() != shape.len() || ![1, 3].contains(&shape.channels) {
        let kind = ParameterErrorKind::DimensionMismatch;
        return Err(ImageError::Parameter(ParameterError::from_kind(kind)));
    }
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(
        pixels,
        shape.width as u32,
        shape.height as u32,
        colour,
    )?;
    Ok(file)
}

fn convert<'a>(
    path: &Path,
    reader: impl BufRead + Seek + 'a,
    shape: Shape,
    invert: bool,
) -> Result<Vec<u8>, ImageFileError> {
    let channels = shape.channels;
    if channels != 1 && channels != 3 {
        return Err(ImageFileError::Channels { path: path.to_path_buf(), channels });
    }
    static ONE_LARGE: Mutex<()> = Mutex::new(());
    let mut guard = None;
    let load = |decoder: Decoder<'_>| {
        if decoder.total_bytes() > LARGE {
            // The lock guards memory, not data: a panic elsewhere leaves it usable.
            guard = Some(ONE_LARGE.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(resample::convert(upright(decoder)?, shape))
    };
    let mut pixels = with_decoder(path, reader, load)?;
    if invert {
        pixels.iter_mut().for_each(|value| *value = 255 - *value);
    }
    Ok(pixels)
}

/// The picture in a file's content, upright and without transparency, of at
/// most `max_decoded` bytes; `path` is only named in errors.
///
/// # Errors
/// As [`load`], but for the channels.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    max_decoded: u64,
) -> Result<DynamicImage, ImageFileError> {
    with_decoder(path, Cursor::new(bytes), |decoder| {
        let mut limits = limits();
        limits.max_alloc = Some(max_decoded);
        limits.reserve(decoder.total_bytes())?;
        Ok(resample::on_white(upright(decoder)?))
    })
}

fn upright(mut decoder: Decoder<'_>) -> Result<DynamicImage, ImageError> {
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Opens a file that may be a picture's.
fn open(path: &Path) -> Result<BufReader<File>, ImageFileError> {
    let io_error = |cause| ImageFileError::Io { path: path.to_path_buf(), cause };
    // Not after opening, which would wait for the other end of a pipe.
    let metadata = fs::metadata(path).map_err(io_error)?;
    if metadata.is_dir() {
        return Err(io_error(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(io_error(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    if metadata.len() > MAX_FILE {
        return Err(ImageFileError::TooLarge { path: path.to_path_buf() });
    }
    Ok(BufReader::new(File::open(path).map_err(io_error)?))
}

type Decoder<'a> = Box<dyn ImageDecoder + 'a>;

/// Gives the decoder of a picture within the limits to `read`.
fn with_decoder<'a, R>(
    path: &Path,
    reader: impl BufRead + Seek + 'a,
    read: impl FnOnce(Decoder<'a>) -> Result<R, ImageError>,
) -> Result<R, ImageFileError> {
    let path = path.to_path_buf();
    let mut reader = match ImageReader::new(reader).with_guessed_format() {
        Ok(reader) => reader,
        Err(cause) => return Err(ImageFileError::Io { path, cause }),
    };
    // Others are recognised as well, but their decoders are not built in.
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp)) {
        return Err(ImageFileError::Format { path });
    }
    let mut beside_pixels = limits();
    beside_pixels.max_alloc = Some(MAX_BESIDE_PIXELS);
    reader.limits(beside_pixels);
    let result = reader.into_decoder().and_then(|decoder| {
        // `into_decoder` leaves the check of the output's size to its caller.
        limits().reserve(decoder.total_bytes())?;
        read(Box::new(decoder))
    });
    result.map_err(|cause| match cause {
        ImageError::Limits(_) => ImageFileError::TooLarge { path },
        ImageError::IoError(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
            ImageFileError::Io { path, cause }
        }
        cause => ImageFileError::Decode { path, cause },
    })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
    use tempfile::TempDir;

    const GREY: Shape = Shape { height: 18, width: 20, channels: 1 };
    const COLOUR: Shape = Shape { height: 18, width: 20, channels: 3 };

    fn save(picture: impl Into<DynamicImage>, format: ImageFormat) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("picture");
        picture.into().save_with_format(&path, format).unwrap();
        (directory, path)
    }

    fn saved_bytes(bytes: &[u8]) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("picture.png");
        fs::write(&path, bytes).unwrap();
        (directory, path)
    }

    #[test]
    fn a_picture_of_the_right_size_is_unchanged() {
        let grey = GrayImage::from_fn(20, 18, |x, y| Luma([(x * 12 + y) as u8]));
        let colour = RgbImage::from_fn(20, 18, |x, y| Rgb([x as u8, y as u8, 200]));
        for format in [ImageFormat::Png, ImageFormat::Bmp] {
            let (_directory, path) = save(grey.clone(), format);
            assert_eq!(load(&path, GREY, false).unwrap(), *grey.as_raw());
            let inverted: Vec<u8> = grey.as_raw().iter().map(|v| 255 - v).collect();
            assert_eq!(load(&path, GREY, true).unwrap(), inverted);
            let (_directory, path) = save(colour.clone(), format);
            assert_eq!(load(&path, COLOUR, false).unwrap(), *colour.as_raw());
        }
    }

    #[test]
    fn scaling_down_averages() {
        // Columns alternate between black and white; each result is their mean.
        let stripes = GrayImage::from_fn(200, 180, |x, _| Luma([(x % 2 * 255) as u8]));
        let (_directory, path) = save(stripes, ImageFormat::Png);
        let pixels = load(&path, GREY, false).unwrap();
        assert_eq!(pixels.len(), GREY.len());
        assert!(pixels.iter().all(|v| (124..=131).contains(v)), "{pixels:?}");
    }

    #[test]
    fn rows_and_columns_keep_their_places() {
        let left_white = GrayImage::from_fn(40, 36, |x, _| Luma([if x < 20 { 255 } else { 0 }]));
        let (_directory, path) = save(left_white, ImageFormat::Jpeg);
        let pixels = load(&path, COLOUR, false).unwrap();
        for row in pixels.chunks(60) {
            assert!(row[..27].iter().all(|&v| v > 240) && row[33..].iter().all(|&v| v < 15));
        }
    }

    #[test]
    fn a_cameras_orientation_is_applied() {
        let top_white = GrayImage::from_fn(32, 32, |_, y| Luma([if y < 16 { 255 } else { 0 }]));
        let (_directory, path) = saved_bytes(&turned_jpeg(top_white));
        for row in load(&path, GREY, false).unwrap().chunks(20) {
            assert!(row[..8].iter().all(|&v| v < 15) && row[12..].iter().all(|&v| v > 240));
        }
    }

    #[test]
    fn a_header_tells_the_upright_size_and_the_colours() {
        let header_of = |picture: DynamicImage, format| {
            let (_directory, path) = save(picture, format);
            let Header { height, width, coloured } = header(&path).unwrap();
            (height, width, coloured)
        };
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            assert_eq!(header_of(GrayImage::new(30, 20).into(), format), (20, 30, false));
            assert_eq!(header_of(RgbImage::new(30, 20).into(), format), (20, 30, true));
        }
        let bytes = turned_jpeg(GrayImage::new(30, 20));
        let (_directory, path) = saved_bytes(&bytes);
        assert_eq!(header(&path).unwrap(), Header { height: 30, width: 20, coloured: false });
        assert!(matches!(header(path.parent().unwrap()), Err(ImageFileError::Io { .. })));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for shape in [GREY, COLOUR] {
            let pixels: Vec<u8> = (0..shape.len()).map(|i| (i * 7) as u8).collect();
            let file = png(&pixels, shape).unwrap();
            assert_eq!(from_bytes(Path::new("x"), &file, shape, false).unwrap(), pixels);
            assert!(png(&pixels[1..], shape).is_err());
        }
        assert!(png(&[0; 2 * 360], Shape { channels: 2, ..GREY }).is_err());
    }

    #[test]
    fn bytes_are_read_as_a_file_is() {
        let grey = GrayImage::from_fn(50, 36, |x, y| Luma([(x * 5 + y) as u8]));
        let (_directory, path) = save(grey, ImageFormat::Png);
        let bytes = fs::read(&path).unwrap();
        let loaded = load(&path, GREY, false).unwrap();
        assert_eq!(from_bytes(Path::new("upload"), &bytes, GREY, false).unwrap(), loaded);
        let error = from_bytes(Path::new("upload"), b"no picture", GREY, false).unwrap_err();
        assert!(error.to_string().starts_with("upload: not a PNG"), "{error}");
    }

    #[test]
    fn a_file_of_gigabytes_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("huge.jpg");
        // A hole: it takes no space on the disk.
        File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(load(&path, GREY, false), Err(ImageFileError::TooLarge { .. })));
    }

    /// A JPEG of the picture whose Exif segment, little-endian, has one entry,
    /// tag 0x112 (orientation) = 6: turn clockwise by 90 degrees to stand upright.
    fn turned_jpeg(picture: GrayImage) -> Vec<u8> {
        let (_directory, path) = save(picture, ImageFormat::Jpeg);
        let jpeg = fs::read(&path).unwrap();
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
        [&jpeg[..2], &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn colour_becomes_luma() {
        let (_directory, path) =
            save(RgbImage::from_pixel(20, 18, Rgb([10, 200, 100])), ImageFormat::Png);
        // 0.2126 x 10 + 0.7152 x 200 + 0.0722 x 100 = 152.4
        assert!(load(&path, GREY, false).unwrap().iter().all(|&v| v == 152));
    }

    #[test]
    fn transparency_is_laid_on_white() {
        let ink = RgbaImage::from_fn(20, 18, |x, _| match x {
            0..10 => Rgba([0, 0, 0, 0]),
            _ => Rgba([0, 0, 0, 255]),
        });
        let (_directory, path) = save(ink, ImageFormat::Png);
        let row = load(&path, GREY, false).unwrap()[..20].to_vec();
        assert_eq!(row, [[255; 10], [0; 10]].concat());
    }

    #[test]
    fn what_is_no_picture_is_said() {
        let (directory, path) = saved_bytes(b"not a picture");
        let error = load(&path, GREY, false).unwrap_err();
        assert!(matches!(error, ImageFileError::Format { .. }));
        let missing = directory.path().join("missing.png");
        let error = load(&missing, GREY, false).unwrap_err();
        assert!(error.to_string().starts_with(missing.to_str().unwrap()), "{error}");
        assert!(matches!(error, ImageFileError::Io { .. }));
        let two = Shape { channels: 2, ..GREY };
        let error = load(&path, two, false).unwrap_err();
        assert!(matches!(error, ImageFileError::Channels { channels: 2, .. }));
    }

    #[test]
    fn every_cut_is_an_error_or_a_whole_picture() {
        let grey = GrayImage::from_fn(20, 18, |x, y| Luma([(x * 12 + y) as u8]));
        let (_directory, path) = save(grey, ImageFormat::Png);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            let (_directory, path) = saved_bytes(&bytes[..cut]);
            match load(&path, GREY, false) {
                Ok(pixels) => assert_eq!(pixels.len(), GREY.len()),
                Err(error) => assert!(error.to_string().contains("picture.png")),
            }
        }
    }

    #[test]
    fn a_huge_declared_size_is_refused() {
        let (_directory, path) = save(GrayImage::new(20, 18), ImageFormat::Bmp);
        let mut bytes = fs::read(&path).unwrap();
        for (width, height) in [(16_385u32, 1u32), (16_000, 16_000), (1 << 30, 1 << 30)] {
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[22..26].copy_from_slice(&height.to_le_bytes());
            // 24 bits a pixel, so that 16,000 x 16,000 is over the limit.
            bytes[28..30].copy_from_slice(&24u16.to_le_bytes());
            let (_directory, path) = saved_bytes(&bytes);
            let error = load(&path, GREY, false).unwrap_err();
            let refused = match &error {
                ImageFileError::TooLarge { .. } => true,
                // The BMP decoder has limits of its own below ours.
                ImageFileError::Decode { .. } => width == 1 << 30,
                _ => false,
            };
            assert!(refused, "{error}");
        }
    }
}
