//! Drawings and writing, brought to the form of MNIST's digits.
//!
//! MNIST's digits were scaled to fit a box of 20x20 pixels, anti-aliased, and
//! placed in 28x28 with their centre of mass in the middle (Y. LeCun, C. Cortes,
//! C. Burges, "The MNIST database of handwritten digits",
//! <http://yann.lecun.com/exdb/mnist/>). The same is done here with whatever box
//! and ground the network's own images have.

use image::imageops::{FilterType, crop_imm, resize};
use image::{GrayImage, Luma};
use lookalike::Shape;

/// How images look that a network knows, as far as drawings are concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Whether the ground is light: else it is dark, as MNIST's.
    pub light_ground: bool,
    /// The share of an image's shorter side that the longer side of what is on
    /// it takes: 20/28 for MNIST.
    pub extent: f32,
}

/// Images that a style is found from.
const STYLE_IMAGES: usize = 500;
/// The least difference from the ground of what is on an image.
const STYLE_CONTRAST: u8 = 24;

impl Style {
    /// The style of images of `shape`, one after another: what their borders
    /// are like in the median, and how large a box holds the rest.
    pub fn of(shape: Shape, pixels: &[u8]) -> Style {
        let images: Vec<GrayImage> =
            pixels.chunks_exact(shape.len()).take(STYLE_IMAGES).map(|p| grey(shape, p)).collect();
        let mut borders = [0; 256];
        images.iter().for_each(|image| count_border(image, &mut borders));
        let ground = median(&borders);
        let side = shape.height.min(shape.width) as f32;
        let mut extents: Vec<u32> = images
            .iter()
            .filter_map(|image| bounds(&differences(image, ground), STYLE_CONTRAST))
            .map(|[_, _, width, height]| width.max(height))
            .collect();
        extents.sort_unstable();
        let extent = extents.get(extents.len() / 2).map_or(1.0, |&e| (e as f32 / side).min(1.0));
        Style { light_ground: ground >= 128, extent }
    }
}

/// The mean over the channels.
pub(super) fn grey(shape: Shape, pixels: &[u8]) -> GrayImage {
    let mean = |pixel: &[u8]| {
        let sum: u32 = pixel.iter().map(|&value| u32::from(value)).sum();
        (sum / pixel.len() as u32) as u8
    };
    let values = pixels.chunks_exact(shape.channels).map(mean).collect();
    GrayImage::from_raw(shape.width as u32, shape.height as u32, values).expect("of this shape")
}

fn count_border(image: &GrayImage, counts: &mut [u32; 256]) {
    let (width, height) = image.dimensions();
    for (x, y, Luma([value])) in image.enumerate_pixels() {
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            counts[usize::from(*value)] += 1;
        }
    }
}

/// The smallest value with at least half of all at or below it; 0 of nothing.
fn median(counts: &[u32; 256]) -> u8 {
    let half = counts.iter().sum::<u32>().div_ceil(2);
    let mut sum = 0;
    counts.iter().position(|count| (sum += count, sum >= half).1).unwrap_or(0) as u8
}

fn differences(image: &GrayImage, ground: u8) -> GrayImage {
    let mut image = image.clone();
    image.pixels_mut().for_each(|Luma([value])| *value = value.abs_diff(ground));
    image
}

/// Left, top, width and height of the pixels above `limit`.
fn bounds(image: &GrayImage, limit: u8) -> Option<[u32; 4]> {
    let above = || image.enumerate_pixels().filter(|(.., Luma([value]))| *value > limit);
    let (left, right) = (above().map(|p| p.0).min()?, above().map(|p| p.0).max()?);
    let (top, bottom) = (above().map(|p| p.1).min()?, above().map(|p| p.1).max()?);
    Some([left, top, right - left + 1, bottom - top + 1])
}

/// Longest side on which ink is looked for.
const WORKING_SIDE: u32 = 560;
/// The least difference between ink and ground, in grey levels.
const LEAST_CONTRAST: f32 = 24.0;
/// What is fainter than this share of the ink is ground: shadows, paper, noise.
const FAINTEST: f32 = 0.2;

/// Finds ink on a plain ground, dark on light or light on dark, and places it as
/// `style` has it: an image of `shape`, channels-last, its channels equal.
/// `None` if there is no ink.
pub fn place(picture: &GrayImage, shape: Shape, style: Style) -> Option<Vec<u8>> {
    let ink = find(&shrunk(picture))?;
    let [left, top, width, height] = bounds(&ink, 127)?;
    let side = (style.extent * shape.height.min(shape.width) as f32).round().max(1.0);
    let scale = side / width.max(height) as f32;
    let scaled = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let cropped = crop_imm(&ink, left, top, width, height).to_image();
    let drawing = resize(&cropped, scaled(width), scaled(height), FilterType::Triangle);

    let mut placed = vec![0; shape.len()];
    let [x, y] = centre_of_mass(&drawing);
    let left = offset(shape.width, drawing.width() as usize, x);
    let top = offset(shape.height, drawing.height() as usize, y);
    for (x, y, Luma([value])) in drawing.enumerate_pixels() {
        let at = (top + y as usize) * shape.width + left + x as usize;
        if let Some(pixel) = placed.get_mut(at * shape.channels..(at + 1) * shape.channels) {
            pixel.fill(*value);
        }
    }
    if style.light_ground {
        placed.iter_mut().for_each(|value| *value = 255 - *value);
    }
    Some(placed)
}

fn shrunk(picture: &GrayImage) -> GrayImage {
    let longest = picture.width().max(picture.height());
    if longest <= WORKING_SIDE {
        return picture.clone();
    }
    let scaled =
        |side: u32| (u64::from(side) * u64::from(WORKING_SIDE) / u64::from(longest)).max(1) as u32;
    resize(picture, scaled(picture.width()), scaled(picture.height()), FilterType::Triangle)
}

/// Ink as 255 and ground as 0: the differences from the border's median, split
/// in two classes by Otsu's method and stretched between the classes' means.
fn find(picture: &GrayImage) -> Option<GrayImage> {
    let mut borders = [0; 256];
    count_border(picture, &mut borders);
    let mut ink = differences(picture, median(&borders));
    let mut counts = [0u32; 256];
    ink.pixels().for_each(|Luma([value])| counts[usize::from(*value)] += 1);
    let [ground, full] = otsu(&counts)?;
    if full - ground < LEAST_CONTRAST {
        return None;
    }
    for Luma([value]) in ink.pixels_mut() {
        let share = (f32::from(*value) - ground) / (full - ground);
        *value = (255.0 * ((share - FAINTEST) / (1.0 - FAINTEST)).clamp(0.0, 1.0)).round() as u8;
    }
    Some(ink)
}

/// The mean values of the two classes whose means differ most, weighted by
/// their sizes: N. Otsu, "A Threshold Selection Method from Gray-Level
/// Histograms", IEEE Trans. SMC 9 (1979). `None` if all values are equal.
fn otsu(counts: &[u32; 256]) -> Option<[f32; 2]> {
    let total: f64 = counts.iter().map(|&n| f64::from(n)).sum();
    let sum: f64 = (0u32..).zip(counts).map(|(v, &n)| f64::from(v) * f64::from(n)).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best: Option<(f64, [f32; 2])> = None;
    for (value, &count) in (0u32..).zip(counts) {
        below += f64::from(count);
        sum_below += f64::from(value) * f64::from(count);
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let means = [sum_below / below, (sum - sum_below) / above];
        let between = below * above * (means[1] - means[0]).powi(2);
        if best.is_none_or(|(most, _)| between > most) {
            best = Some((between, means.map(|mean| mean as f32)));
        }
    }
    best.map(|(_, means)| means)
}

/// As column and row, counted from 0. So measured, MNIST's digits have theirs
/// at 14.0, half a pixel right of and below the middle.
fn centre_of_mass(image: &GrayImage) -> [f32; 2] {
    let (mut mass, mut x_moment, mut y_moment) = (0.0, 0.0, 0.0);
    for (x, y, Luma([value])) in image.enumerate_pixels() {
        let value = f32::from(*value);
        mass += value;
        x_moment += value * x as f32;
        y_moment += value * y as f32;
    }
    [x_moment / mass, y_moment / mass]
}

/// Where a drawing begins whose centre of mass comes to the middle, as far as
/// all of it stays in.
fn offset(side: usize, drawing: usize, centre: f32) -> usize {
    let wanted = (side as f32 / 2.0 - centre).round().max(0.0) as usize;
    wanted.min(side.saturating_sub(drawing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Source, Split};

    const DIGIT: Shape = Shape { height: 28, width: 28, channels: 1 };
    const MNIST: Style = Style { light_ground: false, extent: 20.0 / 28.0 };

    #[test]
    fn the_style_of_mnist_is_known() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        assert_eq!(Style::of(data.shape, &data.pixels), MNIST);
        let inverted: Vec<u8> = data.pixels.iter().map(|v| 255 - v).collect();
        assert_eq!(Style::of(data.shape, &inverted), Style { light_ground: true, ..MNIST });
        assert_eq!(Style::of(data.shape, &[]), Style { light_ground: false, extent: 1.0 });
    }

    /// What MNIST went through, done again, changes little; also from ten times
    /// as large, off the middle, and dark on light.
    #[test]
    fn digits_of_mnist_come_back() {
        let data = Source::Mnist.load(Split::Test).unwrap();
        let (mut ink, mut errors) = (0.0, [0.0; 2]);
        for index in 0..200 {
            let digit = grey(DIGIT, data.image(index));
            let large = resize(&digit, 280, 280, FilterType::Triangle);
            let paper = GrayImage::from_fn(500, 400, |x, y| {
                let at = x.checked_sub(37).zip(y.checked_sub(90));
                let at = at.filter(|(x, y)| *x < 280 && *y < 280);
                Luma([220 - at.map_or(0, |(x, y)| large.get_pixel(x, y).0[0] / 4 * 3)])
            });
            ink += digit.iter().map(|&v| f64::from(v)).sum::<f64>();
            for (picture, error) in [&digit, &paper].into_iter().zip(&mut errors) {
                let placed = place(picture, DIGIT, MNIST).unwrap();
                let pairs = placed.iter().zip(digit.iter());
                *error += pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
            }
        }
        // Of some, the centre is half-way between two pixels, and they move by one.
        let shares = errors.map(|error| error / ink);
        assert!(shares[0] < 0.15 && shares[1] < 0.3, "{shares:?}");
    }

    #[test]
    fn a_drawing_is_scaled_and_centred_by_mass() {
        // A bar of 10x100 whose lower half is twice as wide.
        let ink = |x: u32, y: u32| (50..60 + y / 100 * 10).contains(&x) && (50..150).contains(&y);
        let picture = GrayImage::from_fn(300, 200, |x, y| Luma([if ink(x, y) { 0 } else { 255 }]));
        let placed = place(&picture, DIGIT, MNIST).unwrap();
        let placed = GrayImage::from_raw(28, 28, placed).unwrap();
        let [_, _, width, height] = bounds(&placed, 127).unwrap();
        assert_eq!((width, height), (4, 20));
        let [x, y] = centre_of_mass(&placed);
        assert!((x - 14.0).abs() <= 0.5 && (y - 14.0).abs() <= 0.5, "{x} {y}");
        let light = Style { light_ground: true, ..MNIST };
        let inverted: Vec<u8> = placed.as_raw().iter().map(|v| 255 - v).collect();
        assert_eq!(place(&picture, DIGIT, light).unwrap(), inverted);
    }

    #[test]
    fn channels_are_equal_and_all_of_a_drawing_stays_in() {
        let shape = Shape { height: 20, width: 40, channels: 3 };
        let whole = Style { light_ground: false, extent: 1.0 };
        let picture = GrayImage::from_fn(90, 90, |x, y| Luma([if x + y > 120 { 9 } else { 200 }]));
        let placed = place(&picture, shape, whole).unwrap();
        assert!(placed.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
        let placed = grey(shape, &placed);
        assert_eq!(bounds(&placed, 127).unwrap()[2..], [20, 20]);
    }

    #[test]
    fn what_has_no_ink_gives_none() {
        for value in [0, 128, 255] {
            let plain = GrayImage::from_pixel(50, 40, Luma([value]));
            assert_eq!(place(&plain, DIGIT, MNIST), None);
        }
        let faint = GrayImage::from_fn(50, 40, |x, _| Luma([100 + (x % 10) as u8]));
        assert_eq!(place(&faint, DIGIT, MNIST), None);
        assert!(place(&GrayImage::from_pixel(1, 1, Luma([3])), DIGIT, MNIST).is_none());
        let dot = GrayImage::from_fn(50, 40, |x, y| Luma([if x == y { 255 } else { 0 }]));
        assert!(place(&dot, DIGIT, MNIST).is_some());
    }
}
