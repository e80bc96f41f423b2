//! From a picture of any size to a network's input.

use image::imageops::{FilterType, crop_imm, resize};
use image::{DynamicImage, Rgba};
use lookalike::Shape;

/// Converts an upright picture to `shape.len()` bytes, channels-last, as
/// [`super::image_file::load`] says; `shape` has 1 or 3 channels.
///
/// The middle is kept, where a photo has its subject, and the rest cut off:
/// a device's camera code fills its square the same way. Borders that keep the
/// whole picture would take part of a small input and show the network each
/// photo's proportions; stretching would show it every thing distorted.
pub(crate) fn convert(picture: DynamicImage, shape: Shape) -> Vec<u8> {
    let picture = on_white(picture);
    let [x, y, width, height] = middle(picture.width(), picture.height(), shape);
    let (columns, rows) = (shape.width as u32, shape.height as u32);
    if shape.channels == 1 {
        let grey = picture.into_luma8();
        let part = crop_imm(&grey, x, y, width, height);
        resize(&*part, columns, rows, FilterType::Triangle).into_raw()
    } else {
        let colour = picture.into_rgb8();
        let part = crop_imm(&colour, x, y, width, height);
        resize(&*part, columns, rows, FilterType::Triangle).into_raw()
    }
}

/// The largest part in the middle of `width` x `height` pixels with the
/// proportions of `shape`, rounded to whole pixels: x, y, width, height.
fn middle(width: u32, height: u32, shape: Shape) -> [u32; 4] {
    let (rows, columns) = (shape.height as u64, shape.width as u64);
    // Rounded to nearest; below `length`, so the cast loses nothing.
    let scaled = |length: u32, by: u64, of: u64| -> u32 {
        (((2 * u64::from(length) * by + of) / (2 * of)) as u32).max(1)
    };
    let [kept_width, kept_height] = if u64::from(width) * rows > u64::from(height) * columns {
        [scaled(height, columns, rows), height]
    } else {
        [width, scaled(width, rows, columns)]
    };
    [(width - kept_width) / 2, (height - kept_height) / 2, kept_width, kept_height]
}

/// Replaces transparency by white, as paper: otherwise the invisible colour of
/// transparent pixels, often black, would show.
pub(super) fn on_white(picture: DynamicImage) -> DynamicImage {
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
    use image::{GrayImage, Luma};
    use proptest::prelude::*;

    fn shape(height: usize, width: usize) -> Shape {
        Shape { height, width, channels: 1 }
    }

    #[test]
    fn the_middle_has_the_proportions_of_the_input() {
        assert_eq!(middle(640, 480, shape(32, 32)), [80, 0, 480, 480]);
        assert_eq!(middle(480, 640, shape(32, 32)), [0, 80, 480, 480]);
        assert_eq!(middle(640, 480, shape(24, 32)), [0, 0, 640, 480]);
        assert_eq!(middle(640, 480, shape(32, 24)), [140, 0, 360, 480]);
        assert_eq!(middle(1000, 1, shape(32, 32)), [499, 0, 1, 1]);
        assert_eq!(middle(1, 1, shape(1024, 18)), [0, 0, 1, 1]);
    }

    #[test]
    fn the_sides_are_cut_off_and_the_middle_is_scaled() {
        // A white square between black sides.
        let picture =
            GrayImage::from_fn(90, 40, |x, _| Luma([if (25..65).contains(&x) { 255 } else { 0 }]));
        assert_eq!(convert(picture.into(), shape(20, 20)), [255; 400]);
    }

    proptest! {
        #[test]
        fn the_middle_lies_inside(
            width in 1u32..20_000, height in 1u32..20_000, rows in 18usize..1025, columns in 18usize..1025,
        ) {
            let [x, y, w, h] = middle(width, height, shape(rows, columns));
            prop_assert!(w > 0 && h > 0 && x + w <= width && y + h <= height);
            prop_assert!(w == width || h == height);
            // Centred, and of the right proportions, within a pixel.
            prop_assert!((width - w - 2 * x) < 2 && (height - h - 2 * y) < 2);
            let exact = f64::from(h) * columns as f64 / rows as f64;
            let tolerance = (columns as f64 / rows as f64).max(1.0);
            prop_assert!((f64::from(w) - exact).abs() <= tolerance || w == 1 || h == 1);
        }
    }
}
