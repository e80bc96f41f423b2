//! A picture that a browser sends, as a network's input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::thumbnail;
use image::{DynamicImage, ImageBuffer, Luma, Pixel, Rgb};
use lookalike::Shape;

use super::Style;
use super::ink;
use crate::data::image_file::{self, ImageFileError, MAX_SIDE};
use crate::data::resample;

/// The most bytes of a decoded picture: 160 MiB, more than 50 megapixels in colour.
pub const MAX_DECODED: u64 = 160 << 20;

/// What is done to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is scaled to the input as `trainer search` does it, light and dark
    /// exchanged or not.
    AsItIs {
        /// Whether light and dark are exchanged.
        invert: bool,
    },
    /// Ink on a plain ground is found, scaled and centred as MNIST's digits are.
    Ink,
}

/// Why a picture is refused. Each message is for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// It is none of the formats that are read.
    #[error("This is not a PNG, JPEG or BMP picture. Convert it to one of these.")]
    Format,
    /// It is larger than is decoded.
    #[error("This picture is too large: it may have {MAX_SIDE} pixels a side and {} MiB decoded. Scale it down first.", MAX_DECODED >> 20)]
    TooLarge,
    /// It is damaged.
    #[error("This picture is broken: {0}. Save it again with another program.")]
    Broken(String),
    /// There is nothing on it.
    #[error(
        "No ink was found: the picture is nearly the same all over. Draw with more contrast, or choose \"as it is\"."
    )]
    NoInk,
}

/// Decodes a PNG, JPEG or BMP file, recognised by its content, and makes it an
/// input of 1 or 3 channels: `shape.len()` bytes, channels-last.
///
/// # Errors
/// [`PictureError`] for a file that cannot be decoded within the limits, or
/// without ink where there should be some.
pub fn input(
    file: &[u8],
    treatment: Treatment,
    shape: Shape,
    style: Style,
) -> Result<Vec<u8>, PictureError> {
    let picture = decode(file)?;
    match treatment {
        Treatment::AsItIs { invert } => {
            let mut pixels = resample::convert(picture, shape);
            if invert {
                pixels.iter_mut().for_each(|value| *value = 255 - *value);
            }
            Ok(pixels)
        }
        Treatment::Ink => {
            ink::place(&picture.into_luma8(), shape, style).ok_or(PictureError::NoInk)
        }
    }
}

fn decode(file: &[u8]) -> Result<DynamicImage, PictureError> {
    // The decoders are others' code and read what anyone sends: should one
    // panic, that picture is refused and the next one is served.
    let decode = || image_file::decode(Path::new("picture"), file, MAX_DECODED);
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(picture)) => Ok(picture),
        Ok(Err(ImageFileError::Format { .. })) => Err(PictureError::Format),
        Ok(Err(ImageFileError::TooLarge { .. })) => Err(PictureError::TooLarge),
        Ok(Err(ImageFileError::Decode { cause, .. })) => {
            Err(PictureError::Broken(cause.to_string()))
        }
        Ok(Err(error)) => Err(PictureError::Broken(error.to_string())),
        Err(_) => Err(PictureError::Broken("its decoder gave up".into())),
    }
}

/// Longest side of a picture that is sent to the browser.
const SHOWN_SIDE: usize = 112;

/// An input as a PNG file to be shown, scaled down if it is large.
///
/// # Panics
/// When `pixels` are not of `shape`, with 1 or 3 channels.
pub fn png(shape: Shape, pixels: &[u8]) -> Vec<u8> {
    let longest = shape.width.max(shape.height);
    if longest <= SHOWN_SIDE {
        return image_file::png(pixels, shape).expect("of this shape");
    }
    let scaled = |side: usize| (side * SHOWN_SIDE / longest).max(1);
    let shown = Shape { height: scaled(shape.height), width: scaled(shape.width), ..shape };
    let size = [shape.width, shape.height, shown.width, shown.height].map(|side| side as u32);
    let pixels = match shape.channels {
        1 => shrunk::<Luma<u8>>(size, pixels),
        _ => shrunk::<Rgb<u8>>(size, pixels),
    };
    image_file::png(&pixels, shown).expect("of this shape")
}

/// Pixels of width x height, scaled down to another width and height.
fn shrunk<P: Pixel<Subpixel = u8> + 'static>(
    [width, height, to_width, to_height]: [u32; 4],
    pixels: &[u8],
) -> Vec<u8> {
    let picture = ImageBuffer::<P, &[u8]>::from_raw(width, height, pixels);
    thumbnail(&picture.expect("of this shape"), to_width, to_height).into_raw()
}

/// [`png`] as a `data:` address.
pub(super) fn data_url(shape: Shape, pixels: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png(shape, pixels)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageFormat, RgbImage};
    use std::io::Cursor;

    const GREY: Shape = Shape { height: 20, width: 24, channels: 1 };
    const STYLE: Style = Style { light_ground: false, extent: 0.75 };
    const AS_IT_IS: Treatment = Treatment::AsItIs { invert: false };

    fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        picture.into().write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn ramp() -> GrayImage {
        GrayImage::from_fn(24, 20, |x, y| Luma([(x * 10 + y) as u8]))
    }

    #[test]
    fn a_picture_gives_what_the_command_line_makes_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let colour = Shape { channels: 3, ..GREY };
        let photo = RgbImage::from_fn(200, 90, |x, y| Rgb([x as u8, (2 * y) as u8, 77]));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp] {
            let bytes = file(photo.clone(), format);
            std::fs::write(&path, &bytes).unwrap();
            for (shape, invert) in [(GREY, false), (GREY, true), (colour, false)] {
                let expected = image_file::load(&path, shape, invert).unwrap();
                let treatment = Treatment::AsItIs { invert };
                assert_eq!(input(&bytes, treatment, shape, STYLE), Ok(expected));
            }
        }
    }

    #[test]
    fn what_is_shown_is_the_input_and_small() {
        let shown = image::load_from_memory(&png(GREY, ramp().as_raw())).unwrap();
        assert_eq!(shown.into_luma8(), ramp());
        for (width, channels) in [(224, 1), (448, 3)] {
            let large = Shape { height: 224, width, channels };
            let shown = image::load_from_memory(&png(large, &vec![60; large.len()])).unwrap();
            assert_eq!((shown.width(), shown.height()), (112, 224 * 112 / width as u32));
            assert!(shown.into_rgb8().iter().all(|&value| value == 60));
        }
        assert!(data_url(GREY, ramp().as_raw()).starts_with("data:image/png;base64,iVBOR"));
    }

    #[test]
    fn every_cut_of_a_file_is_refused_or_decoded() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp] {
            let bytes = file(ramp(), format);
            for cut in 0..bytes.len() {
                for treatment in [AS_IT_IS, Treatment::Ink] {
                    if let Ok(pixels) = input(&bytes[..cut], treatment, GREY, STYLE) {
                        assert_eq!(pixels.len(), GREY.len());
                    }
                }
            }
        }
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        for bytes in
            [&b""[..], b"GIF89a\x01\x00\x01\x00", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
        {
            let error = input(bytes, AS_IT_IS, GREY, STYLE).unwrap_err();
            assert_eq!(error, PictureError::Format);
        }
        let blank = GrayImage::new(30, 30);
        let error = input(&file(blank, ImageFormat::Png), Treatment::Ink, GREY, STYLE);
        assert_eq!(error, Err(PictureError::NoInk));
    }

    /// A few kilobytes that declare, and really hold, hundreds of megapixels.
    #[test]
    fn a_bomb_is_refused_before_it_is_decoded() {
        let blank = GrayImage::new(14_000, 14_000);
        let bomb = file(blank, ImageFormat::Png);
        assert!(bomb.len() < 1 << 20);
        for treatment in [AS_IT_IS, Treatment::Ink] {
            let error = input(&bomb, treatment, GREY, STYLE);
            assert_eq!(error, Err(PictureError::TooLarge));
        }
        let long = file(GrayImage::new(MAX_SIDE + 1, 1), ImageFormat::Png);
        assert_eq!(input(&long, AS_IT_IS, GREY, STYLE), Err(PictureError::TooLarge));
    }
}
