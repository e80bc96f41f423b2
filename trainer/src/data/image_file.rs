//! One picture from a file, as a network's input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use image::imageops::{FilterType, resize};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, Rgba};
use lookalike::Shape;

/// The most pixels of a picture's side.
pub const MAX_SIDE: u32 = 16_384;

/// The most bytes of a decoded picture: 512 MiB.
pub const MAX_DECODED: u64 = 512 << 20;

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
    /// [`MAX_DECODED`] bytes when decoded.
    #[error("{}: too large; a picture may have {MAX_SIDE} pixels a side and {} MiB decoded, so scale it down first", path.display(), MAX_DECODED >> 20)]
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

/// Loads a PNG, JPEG or BMP picture, recognised by its content, and converts
/// it to `shape.len()` bytes, channels-last.
///
/// In this order: the orientation noted by a camera is applied; transparency
/// is laid on white; for 1 channel, colour becomes luma (0.2126 R + 0.7152 G +
/// 0.0722 B of the stored values); the picture is stretched to
/// `shape.height` x `shape.width` with a triangle filter (bilinear; when
/// scaling down, it averages over all pixels that fall on one); with `invert`
/// each value v becomes 255 - v, as dark drawings on light paper need for a
/// network that learned light ones on black, like MNIST's.
///
/// # Errors
/// The file is missing, of another format, damaged or too large, or the shape
/// has neither 1 nor 3 channels.
pub fn load(path: &Path, shape: Shape, invert: bool) -> Result<Vec<u8>, ImageFileError> {
    let channels = shape.channels;
    if channels != 1 && channels != 3 {
        return Err(ImageFileError::Channels { path: path.to_path_buf(), channels });
    }
    Ok(convert(on_white(decode(path)?), shape, invert))
}

/// The picture, without transparency, as [`load`] makes it an input of 1 or 3 channels.
pub(crate) fn convert(picture: DynamicImage, shape: Shape, invert: bool) -> Vec<u8> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    let mut pixels = if shape.channels == 1 {
        resize(&picture.into_luma8(), width, height, FilterType::Triangle).into_raw()
    } else {
        resize(&picture.into_rgb8(), width, height, FilterType::Triangle).into_raw()
    };
    if invert {
        pixels.iter_mut().for_each(|value| *value = 255 - *value);
    }
    pixels
}

/// The picture as stored, turned upright.
fn decode(path: &Path) -> Result<DynamicImage, ImageFileError> {
    let io_error = |cause| ImageFileError::Io { path: path.to_path_buf(), cause };
    let file = File::open(path).map_err(io_error)?;
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(io_error)?;
    if reader.format().is_none() {
        return Err(ImageFileError::Format { path: path.to_path_buf() });
    }
    upright(reader, MAX_DECODED).map_err(|cause| {
        let path = path.to_path_buf();
        match cause {
            ImageError::Limits(_) => ImageFileError::TooLarge { path },
            ImageError::IoError(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                ImageFileError::Io { path, cause }
            }
            cause => ImageFileError::Decode { path, cause },
        }
    })
}

/// The picture that `reader` holds, turned upright, of at most [`MAX_SIDE`]
/// pixels a side and `max_decoded` bytes.
pub(crate) fn upright<R: BufRead + Seek>(
    mut reader: ImageReader<R>,
    max_decoded: u64,
) -> Result<DynamicImage, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(max_decoded);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    // `into_decoder` leaves the check of the output's size to its caller.
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Replaces transparency by white, as paper: otherwise the invisible colour of
/// transparent pixels, often black, would show.
pub(crate) fn on_white(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut picture = picture.into_rgba8();
    for Rgba([r, g, b, alpha]) in picture.pixels_mut() {
        for value in [r, g, b] {
            // Rounded to nearest; at most 255, so the cast loses nothing.
            let mixed = u32::from(*value) * u32::from(*alpha) + 255 * (255 - u32::from(*alpha));
            *value = ((mixed + 127) / 255) as u8;
        }
        *alpha = 255;
    }
    DynamicImage::ImageRgba8(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, RgbaImage};
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
        std::fs::write(&path, bytes).unwrap();
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
        let (_directory, path) = save(top_white, ImageFormat::Jpeg);
        let jpeg = std::fs::read(&path).unwrap();
        // An Exif segment, little-endian, whose one entry is tag 0x112
        // (orientation) = 6: turn clockwise by 90 degrees to stand upright.
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
        let (_directory, path) = saved_bytes(&[&jpeg[..2], &exif, &jpeg[2..]].concat());
        for row in load(&path, GREY, false).unwrap().chunks(20) {
            assert!(row[..8].iter().all(|&v| v < 15) && row[12..].iter().all(|&v| v > 240));
        }
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
        let bytes = std::fs::read(&path).unwrap();
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
        let mut bytes = std::fs::read(&path).unwrap();
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
