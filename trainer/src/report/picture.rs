//! Images as they are put into the page: small, and as `data:` addresses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, GrayImage, ImageEncoder, ImageError, RgbImage};
use lookalike::Shape;

use crate::data::{Dataset, image_file};

/// The longest side of a picture of its own, in pixels, and of one on the map's
/// sheet: larger ones are scaled down.
const ALONE: usize = 64;
const ON_SHEET: usize = 32;
/// Of colour pictures, which are JPEG where that takes less than PNG.
const JPEG_QUALITY: u8 = 88;

/// The images of a data set as pictures.
pub struct Pictures<'a> {
    data: &'a Dataset,
}

/// Many pictures in one, row by row.
pub struct Sheet {
    /// Its address.
    pub uri: String,
    /// Pictures in a row.
    pub columns: usize,
    /// Width and height of each.
    pub tile: [usize; 2],
}

impl<'a> Pictures<'a> {
    /// Of these images, which are grey or RGB.
    pub fn new(data: &'a Dataset) -> Pictures<'a> {
        Pictures { data }
    }

    /// Width and height in which an image is best shown, in the page's pixels.
    pub fn size(&self) -> [usize; 2] {
        let Shape { height, width, .. } = scaled(self.data.shape, ALONE);
        let factor = (44.0 / height.max(width) as f64).max(1.0);
        [width, height].map(|side| (side as f64 * factor).round() as usize)
    }

    /// The address of one image.
    pub fn uri(&self, image: u32) -> Result<String, ImageError> {
        let shape = scaled(self.data.shape, ALONE);
        encode(&thumbnail(self.data, image, shape), shape)
    }

    /// A sheet of images.
    pub fn sheet(&self, images: impl ExactSizeIterator<Item = u32>) -> Result<Sheet, ImageError> {
        let tile = scaled(self.data.shape, ON_SHEET);
        let columns = (images.len() as f64).sqrt().ceil().max(1.0) as usize;
        let rows = images.len().div_ceil(columns).max(1);
        let (stride, channels) = (columns * tile.width, tile.channels);
        let shape = Shape { height: rows * tile.height, width: stride, channels };
        let mut pixels = vec![0; shape.len()];
        for (place, image) in images.enumerate() {
            let (top, left) = (place / columns * tile.height, place % columns * tile.width);
            let thumbnail = thumbnail(self.data, image, tile);
            for (y, row) in thumbnail.chunks_exact(tile.width * channels).enumerate() {
                let start = ((top + y) * stride + left) * channels;
                pixels[start..start + row.len()].copy_from_slice(row);
            }
        }
        let uri = encode(&pixels, shape)?;
        Ok(Sheet { uri, columns, tile: [tile.width, tile.height] })
    }
}

/// `shape`, scaled down so that its longer side has at most `longest` pixels.
fn scaled(shape: Shape, longest: usize) -> Shape {
    let side = shape.height.max(shape.width);
    let scaled = |length: usize| (length * longest.min(side)).div_ceil(side.max(1)).max(1);
    Shape { height: scaled(shape.height), width: scaled(shape.width), ..shape }
}

fn thumbnail(data: &Dataset, image: u32, to: Shape) -> Vec<u8> {
    let pixels = data.image(image as usize);
    if to == data.shape {
        return pixels.to_vec();
    }
    let [width, height] = [data.shape.width as u32, data.shape.height as u32];
    let (columns, rows, filter) = (to.width as u32, to.height as u32, FilterType::Triangle);
    let whole = "as many pixels as the shape says";
    if to.channels == 1 {
        let picture = GrayImage::from_raw(width, height, pixels.to_vec()).expect(whole);
        resize(&picture, columns, rows, filter).into_raw()
    } else {
        let picture = RgbImage::from_raw(width, height, pixels.to_vec()).expect(whole);
        resize(&picture, columns, rows, filter).into_raw()
    }
}

fn encode(pixels: &[u8], shape: Shape) -> Result<String, ImageError> {
    let png = image_file::png(pixels, shape)?;
    if shape.channels == 3 {
        let mut jpeg = Vec::new();
        let (width, height) = (shape.width as u32, shape.height as u32);
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).write_image(
            pixels,
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        if jpeg.len() < png.len() {
            return Ok(uri("image/jpeg", &jpeg));
        }
    }
    Ok(uri("image/png", &png))
}

/// A file of type `mime` as an address.
pub fn uri(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of one colour each, 10 times their number.
    fn dataset(shape: Shape, images: usize) -> Dataset {
        let pixels = (0..images).flat_map(|image| vec![10 * image as u8; shape.len()]).collect();
        Dataset { shape, pixels, labels: vec![0; images], class_names: vec!["a".into()] }
    }

    fn decoded(uri: &str) -> RgbImage {
        let (mime, bytes) = uri.strip_prefix("data:").unwrap().split_once(";base64,").unwrap();
        assert!(["image/png", "image/jpeg"].contains(&mime));
        image::load_from_memory(&STANDARD.decode(bytes).unwrap()).unwrap().into_rgb8()
    }

    #[test]
    fn a_sheet_has_every_image_in_its_place() {
        let data = dataset(Shape { height: 8, width: 6, channels: 1 }, 7);
        let sheet = Pictures::new(&data).sheet([1, 3, 5, 6].into_iter()).unwrap();
        assert_eq!((sheet.columns, sheet.tile), (2, [6, 8]));
        let picture = decoded(&sheet.uri);
        assert_eq!(picture.dimensions(), (12, 16));
        let centres = [(3, 4), (9, 4), (3, 12), (9, 12)];
        assert_eq!(centres.map(|(x, y)| picture.get_pixel(x, y)[0]), [10, 30, 50, 60]);
        let nothing = Pictures::new(&data).sheet([].into_iter()).unwrap();
        assert_eq!(decoded(&nothing.uri).dimensions(), (6, 8));
    }

    #[test]
    fn large_images_are_scaled_and_keep_their_proportions() {
        let shape = Shape { height: 96, width: 192, channels: 3 };
        let data = dataset(shape, 3);
        let pictures = Pictures::new(&data);
        let picture = decoded(&pictures.uri(2).unwrap());
        assert_eq!(picture.dimensions(), (64, 32));
        assert!(picture.pixels().all(|pixel| pixel.0.iter().all(|value| value.abs_diff(20) <= 2)));
        assert_eq!(pictures.size(), [64, 32]);
        assert_eq!(pictures.sheet([0].into_iter()).unwrap().tile, [32, 16]);
        let small = dataset(Shape { height: 28, width: 28, channels: 1 }, 1);
        assert_eq!(Pictures::new(&small).size(), [44, 44]);
        assert_eq!(decoded(&Pictures::new(&small).uri(0).unwrap()).dimensions(), (28, 28));
    }
}
