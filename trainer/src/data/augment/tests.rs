//! Distortions against the definition, and what they promise.

use proptest::prelude::*;

use super::*;
use crate::rng::{Purpose, stream};

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    stream(seed, Purpose::Augmentation, 0)
}

fn picture(shape: Shape, seed: u64) -> Vec<u8> {
    let mut rng = rng(seed);
    (0..shape.len()).map(|_| rng.random()).collect()
}

fn plain(image: &[u8]) -> Vec<f32> {
    image.iter().map(|&pixel| normalize_pixel(pixel)).collect()
}

fn resampled(affine: Affine, fill: Fill, turns: u8, image: &[u8], shape: Shape) -> Vec<f32> {
    let mut out = vec![f32::NAN; shape.len()];
    let positions = affine.positions(turned(turns), shape);
    match fill {
        Fill::Edge => resample::<true>(image, shape, positions, &mut out),
        Fill::Black => resample::<false>(image, shape, positions, &mut out),
    }
    out
}

fn turned(turns: u8) -> View {
    View { turns, ..View::default() }
}

/// The image whose pixel at row y, column x is `image`'s at `from(y, x)`,
/// black where that is outside.
fn moved(image: &[u8], shape: Shape, from: impl Fn(i64, i64) -> (i64, i64)) -> Vec<f32> {
    let Shape { height, width, channels } = shape;
    let pixels = (0..height as i64).flat_map(|y| (0..width as i64).map(move |x| (y, x)));
    let value = |(y, x), c| {
        let (y, x) = from(y, x);
        let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
        if inside { image[(y as usize * width + x as usize) * channels + c] } else { 0 }
    };
    let bytes: Vec<u8> = pixels.flat_map(|p| (0..channels).map(move |c| value(p, c))).collect();
    plain(&bytes)
}

fn shapes() -> impl Strategy<Value = Shape> {
    (1..=30usize, 1..=30usize, 1..=4usize).prop_map(|(height, width, channels)| Shape {
        height,
        width,
        channels,
    })
}

prop_compose! {
    fn settings()(
        shift in 0.0..40.0f32, rotate in 0.0..=180.0f32, scale in 0.0..=0.9f32,
        shear in 0.0..=60.0f32, flip: bool, erase in 0.0..=1.0f32, black: bool,
    ) -> Augmentation {
        let fill = if black { Fill::Black } else { Fill::Edge };
        Augmentation { shift, rotate, scale, shear, flip, erase, fill }
    }
}

prop_compose! {
    fn affines()(
        shift in prop::array::uniform2(-9.0..9.0f32), rotate in -180.0..180.0f32,
        scale in 0.1..1.9f32, shear in -60.0..60.0f32, flip: bool,
    ) -> Affine {
        Affine { shift, rotate, scale, shear, flip }
    }
}

/// Where pixel (x, y) of the image goes, each part in turn, in f64.
fn forward(affine: &Affine, turns: u8, shape: Shape, [x, y]: [f64; 2]) -> [f64; 2] {
    let centre = [shape.width, shape.height].map(|size| (size as f64 - 1.0) / 2.0);
    let [mut x, mut y] = [x - centre[0], y - centre[1]];
    if affine.flip {
        x = -x;
    }
    let degrees = f64::from(affine.rotate).to_radians();
    let turn = |x: f64, y: f64, angle: f64| {
        // Counter-clockwise where y points down.
        (x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin())
    };
    (x, y) = turn(x, y, f64::from(turns) * std::f64::consts::FRAC_PI_2);
    (x, y) = (x * f64::from(affine.scale), y * f64::from(affine.scale));
    x += y * f64::from(affine.shear).to_radians().tan();
    (x, y) = turn(x, y, degrees);
    [x + centre[0] + f64::from(affine.shift[0]), y + centre[1] + f64::from(affine.shift[1])]
}

/// The value at a position, in f64.
fn bilinear(image: &[u8], shape: Shape, fill: Fill, [x, y]: [f64; 2], c: usize) -> f64 {
    let at = |x: f64, y: f64| {
        let [last_x, last_y] = [shape.width as f64 - 1.0, shape.height as f64 - 1.0];
        let (near_x, near_y) = (x.clamp(0.0, last_x), y.clamp(0.0, last_y));
        if fill == Fill::Black && (near_x, near_y) != (x, y) {
            return -1.0;
        }
        let i = (near_y as usize * shape.width + near_x as usize) * shape.channels + c;
        f64::from(image[i]) / 127.5 - 1.0
    };
    let (left, top) = (x.floor(), y.floor());
    let mut value = 0.0;
    for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let weight = (1.0 - (x - left - dx).abs()) * (1.0 - (y - top - dy).abs());
        value += weight * at(left + dx, top + dy);
    }
    value
}

proptest! {
    #[test]
    fn nothing_to_do_is_the_network_s_input(shape in shapes(), seed: u64, black: bool) {
        let image = picture(shape, seed);
        let mut rng = rng(seed);
        let before = rng.clone();
        let none = Augmentation {
            fill: if black { Fill::Black } else { Fill::Edge }, ..Augmentation::NONE
        };
        prop_assert!(none.is_none());
        let mut out = vec![f32::NAN; shape.len()];
        none.apply(&mut rng, turned(4), &image, shape, &mut out);
        prop_assert_eq!(&out, &plain(&image));
        prop_assert_eq!(&resampled(Affine::NONE, none.fill, 0, &image, shape), &out);
        prop_assert_eq!(rng, before);
    }

    #[test]
    fn whole_pixels_and_mirrors_are_exact(
        shape in shapes(), seed: u64, right in -9..9i64, down in -9..9i64, flip: bool,
    ) {
        let image = picture(shape, seed);
        let affine = Affine { shift: [right as f32, down as f32], flip, ..Affine::NONE };
        let last = shape.width as i64 - 1;
        let expected = moved(&image, shape, |y, x| {
            (y - down, if flip { last - (x - right) } else { x - right })
        });
        prop_assert_eq!(resampled(affine, Fill::Black, 0, &image, shape), expected);
    }

    #[test]
    fn quarter_turns_are_exact(
        side in 1..30usize, channels in 1..4usize, seed: u64, turns in 0..8u8,
    ) {
        let shape = Shape { height: side, width: side, channels };
        let image = picture(shape, seed);
        let mut out = vec![f32::NAN; shape.len()];
        Augmentation::NONE.apply(&mut rng(seed), turned(turns), &image, shape, &mut out);
        let last = side as i64 - 1;
        // Counter-clockwise: the top row is what was the rightmost column.
        let expected = moved(&image, shape, |mut y, mut x| {
            for _ in 0..turns {
                (y, x) = (x, last - y);
            }
            (y, x)
        });
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn values_are_in_range_and_depend_on_the_generator_alone(
        settings in settings(), shape in shapes(), turns in 0..2u8, seed: u64,
    ) {
        prop_assert_eq!(settings.check(), Ok(()));
        let image = picture(shape, seed);
        let mut out = [vec![f32::NAN; shape.len()], vec![7.0; shape.len()]];
        let mut after = out.each_mut().map(|out| {
            let mut rng = rng(seed);
            settings.apply(&mut rng, turned(2 * turns), &image, shape, out);
            rng
        });
        prop_assert_eq!(&out[0], &out[1]);
        prop_assert!(out[0].iter().all(|value| (-1.0..=1.0).contains(value)));
        // As many draws whatever the settings.
        let other = Augmentation { flip: true, ..Augmentation::NONE };
        let mut rng = rng(seed);
        other.apply(&mut rng, turned(0), &image, shape, &mut out[0]);
        prop_assert_eq!(rng.random::<u64>(), after[0].random::<u64>());
    }

    #[test]
    fn positions_undo_each_part(
        affine in affines(), shape in shapes(), turns in 0..4u8,
        x in 0..30u8, y in 0..30u8,
    ) {
        let Positions { origin, right, down } = affine.positions(turned(turns), shape);
        let source = [0, 1].map(|i| {
            (origin[i] + i64::from(x) * right[i] + i64::from(y) * down[i]) as f64 / ONE
        });
        let back = forward(&affine, turns, shape, source);
        prop_assert!((back[0] - f64::from(x)).abs() < 1e-6, "{:?}", back);
        prop_assert!((back[1] - f64::from(y)).abs() < 1e-6, "{:?}", back);
    }

    #[test]
    fn interpolation_agrees_with_its_definition(
        affine in affines(), shape in shapes(), turns in 0..4u8, black: bool, seed: u64,
    ) {
        let fill = if black { Fill::Black } else { Fill::Edge };
        let image = picture(shape, seed);
        let out = resampled(affine, fill, turns, &image, shape);
        let Positions { origin, right, down } = affine.positions(turned(turns), shape);
        for (i, &value) in out.iter().enumerate() {
            let (pixel, c) = (i / shape.channels, i % shape.channels);
            let (x, y) = ((pixel % shape.width) as i64, (pixel / shape.width) as i64);
            let source =
                [0, 1].map(|i| (origin[i] + x * right[i] + y * down[i]) as f64 / ONE);
            let expected = bilinear(&image, shape, fill, source, c);
            prop_assert!((f64::from(value) - expected).abs() < 2e-6, "{}: {} {}", i, value, expected);
        }
    }
}

const SHAPE: Shape = Shape { height: 28, width: 20, channels: 1 };

#[test]
fn draws_fill_their_ranges() {
    let settings = Augmentation {
        shift: 3.0,
        rotate: 20.0,
        scale: 0.25,
        shear: 10.0,
        flip: true,
        erase: 0.3,
        fill: Fill::Edge,
    };
    let mut rng = rng(1);
    let draws: Vec<Distortion> = (0..4000).map(|_| settings.draw(&mut rng, SHAPE)).collect();
    let reaches = |least: f32, most: f32, value: &dyn Fn(&Affine) -> f32| {
        let values = || draws.iter().map(|draw| value(&draw.affine));
        let edge = 0.01 * (most - least);
        assert!(values().all(|v| (least..=most).contains(&v)));
        assert!(values().any(|v| v < least + edge) && values().any(|v| v > most - edge));
    };
    reaches(-3.0, 3.0, &|a| a.shift[0]);
    reaches(-3.0, 3.0, &|a| a.shift[1]);
    reaches(-20.0, 20.0, &|a| a.rotate);
    reaches(0.75, 1.25, &|a| a.scale);
    reaches(-10.0, 10.0, &|a| a.shear);
    // A half, within 5 standard deviations.
    let half = 2000 - 158..2000 + 158;
    assert!(half.contains(&draws.iter().filter(|draw| draw.affine.flip).count()));
    let patches: Vec<Patch> = draws.iter().filter_map(|draw| draw.patch).collect();
    assert!(half.contains(&patches.len()));
    assert!(patches.iter().all(|patch| patch.side == 6));
    for (last, place) in [(22, (|p| p.top) as fn(&Patch) -> usize), (14, |p| p.left)] {
        assert_eq!(patches.iter().map(place).min(), Some(0));
        assert_eq!(patches.iter().map(place).max(), Some(last));
    }
}

#[test]
fn a_patch_is_erased() {
    let shape = Shape { height: 3, width: 4, channels: 2 };
    let mut out = vec![1.0; shape.len()];
    Patch { side: 2, top: 1, left: 2 }.erase(shape, &mut out);
    let expected = [[[1.0; 2]; 4], [[1.0; 2], [1.0; 2], [0.0; 2], [0.0; 2]]];
    let [whole, erased] = expected.map(|row| row.concat());
    assert_eq!(out, [whole, erased.clone(), erased].concat());
}

#[test]
fn settings_out_of_range_are_named() {
    let none = Augmentation::NONE;
    let cases = [
        (Augmentation { shift: f32::NAN, ..none }, "shift", "NaN"),
        (Augmentation { rotate: 180.5, ..none }, "rotation", "180.5"),
        (Augmentation { scale: 1.0, ..none }, "scaling", "1"),
        (Augmentation { shear: -1.0, ..none }, "shear", "-1"),
        (Augmentation { erase: f32::INFINITY, ..none }, "erased", "inf"),
    ];
    for (settings, rule, found) in cases {
        let (said, value) = settings.check().unwrap_err();
        assert!(said.contains(rule), "{said}");
        assert_eq!(value, found);
        assert!(!settings.is_none());
    }
}

/// Runs must stay reproducible from version to version.
#[test]
fn a_distortion_is_pinned() {
    let settings = Augmentation {
        shift: 2.0,
        rotate: 15.0,
        scale: 0.1,
        shear: 5.0,
        flip: true,
        erase: 0.2,
        fill: Fill::Black,
    };
    let shape = Shape { height: 20, width: 20, channels: 1 };
    let image = picture(shape, 1);
    let mut rng = rng(2);
    let mut out = vec![0.0; shape.len()];
    let mut seen = Vec::new();
    for turns in [0, 1, 3] {
        settings.apply(&mut rng, turned(turns), &image, shape, &mut out);
        seen.extend([0, 105, 210, 399].map(|i| out[i]));
    }
    // Not to the bit: sine and tangent are the system's.
    let pinned = [
        -1.0,
        0.0029919595,
        0.28749114,
        0.18049985,
        0.2332274,
        0.4515141,
        0.7369943,
        -1.0,
        -1.0,
        0.5711207,
        -0.6771133,
        -1.0,
    ];
    for (value, pinned) in seen.iter().zip(pinned) {
        assert!((value - pinned).abs() < 1e-5, "{seen:?}");
    }
}

#[test]
fn a_slanted_view_is_a_shear_by_that_angle() {
    let shape = Shape { height: 12, width: 12, channels: 1 };
    let image: Vec<u8> = (0..144).map(|i| (i * 89 % 251) as u8).collect();
    let mut slanted = vec![0.0; 144];
    let view = View { slant: 20.0, ..View::default() };
    Augmentation::NONE.apply(&mut rng(0), view, &image, shape, &mut slanted);
    let shear = Affine { shear: 20.0, ..Affine::NONE };
    assert_eq!(slanted, resampled(shear, Fill::Edge, 0, &image, shape));
    let upright = Augmentation::NONE;
    let mut same = vec![0.0; 144];
    upright.apply(&mut rng(0), View::default(), &image, shape, &mut same);
    assert_ne!(slanted, same);
}

#[test]
fn a_mirrored_view_is_mirrored_before_it_is_turned() {
    let shape = Shape { height: 2, width: 2, channels: 1 };
    let view = View { mirror: true, turns: 1, slant: 0.0 };
    let mut out = [0.0; 4];
    Augmentation::NONE.apply(&mut rng(0), view, &[1, 2, 3, 4], shape, &mut out);
    // Mirrored 2 1 / 4 3, then counter-clockwise.
    assert_eq!(out.to_vec(), [1, 3, 2, 4].map(normalize_pixel));
}
