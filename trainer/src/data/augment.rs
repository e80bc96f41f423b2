//! Random distortions of training images.

use std::sync::LazyLock;

use clap::ValueEnum;
use lookalike::{Shape, normalize_pixel};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::nn::fill_input;

/// What lies outside of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The nearest pixel of the image.
    #[default]
    Edge,
    /// Black: pixels of value 0.
    Black,
}

/// A fixed way to show an image, before it is distorted at random.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// Mirrored left and right.
    pub mirror: bool,
    /// Quarter turns counter-clockwise after that.
    pub turns: u8,
    /// Degrees by which rows are sheared against each other after that; above
    /// 0, what is further down moves right.
    pub slant: f32,
}

/// Random distortions of a training image; all zero is none.
///
/// Each image is flipped, put in its [`View`], scaled, sheared, rotated and shifted, in this order and about its centre, in one step with bilinear
/// interpolation; then a patch may be erased. The amounts are uniform in their
/// ranges, as in torchvision's `RandomAffine`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Shift by up to so many pixels left or right, and up or down.
    pub shift: f32,
    /// Rotate by up to so many degrees either way.
    pub rotate: f32,
    /// Scale by a factor in `1 - scale ..= 1 + scale`, the same in both directions.
    pub scale: f32,
    /// Shear the rows against each other by an angle of up to so many degrees either way.
    pub shear: f32,
    /// Mirror left and right, with probability 1/2.
    pub flip: bool,
    /// Erase, with probability 1/2 as in random erasing (Zhong et al., AAAI
    /// 2020), a square patch whose side is this share of the image's shorter
    /// side. It lies within the image and becomes 0 in the network's input, a
    /// middle grey, as in Cutout (DeVries and Taylor, 2017).
    pub erase: f32,
    /// What lies outside of the image.
    pub fill: Fill,
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation::NONE
    }
}

impl Augmentation {
    /// No distortion.
    pub const NONE: Augmentation = Augmentation {
        shift: 0.0,
        rotate: 0.0,
        scale: 0.0,
        shear: 0.0,
        flip: false,
        erase: 0.0,
        fill: Fill::Edge,
    };

    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Augmentation { fill: self.fill, ..Augmentation::NONE }
    }

    /// Checks each number's range.
    ///
    /// # Errors
    /// What must hold, and the first number for which it does not.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let ranges = [
            (self.shift, 65535.0, "the shift must be 0 to 65535 pixels"),
            (self.rotate, 180.0, "the rotation must be 0 to 180 degrees"),
            (self.scale, 0.9, "the scaling must be 0 to 0.9"),
            (self.shear, 60.0, "the shear must be 0 to 60 degrees"),
            (self.erase, 1.0, "the erased share of the image's side must be 0 to 1"),
        ];
        match ranges.into_iter().find(|&(value, most, _)| !(0.0..=most).contains(&value)) {
            Some((value, _, rule)) => Err((rule, value.to_string())),
            None => Ok(()),
        }
    }

    /// Writes `image`, distorted, as the network's input.
    ///
    /// `image` and `out` are `height x width x channels`, channels last; `out`
    /// is in -1..=1. An image is flipped before it is turned, so that a flipped image turned
    /// once is still one that was turned counter-clockwise.
    ///
    /// The result depends on the state of `rng` and the arguments alone. If
    /// [`is_none`](Augmentation::is_none), nothing is drawn; else always as
    /// many numbers, whatever the settings.
    ///
    /// # Panics
    /// When `image` or `out` is not of `shape`, or an image that is not square
    /// is to be turned by an odd number of quarter turns.
    pub fn apply(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        view: View,
        image: &[u8],
        shape: Shape,
        out: &mut [f32],
    ) {
        assert_eq!(image.len(), shape.len(), "an image of another shape");
        assert_eq!(out.len(), shape.len(), "an input of another shape");
        let view = View { turns: view.turns % 4, ..view };
        assert!(
            view.turns.is_multiple_of(2) || shape.height == shape.width,
            "only a square image can be turned by 90 degrees"
        );
        let distortion = if self.is_none() { Distortion::NONE } else { self.draw(rng, shape) };
        if view == View::default() && distortion.affine == Affine::NONE {
            fill_input(image, out);
        } else {
            let positions = distortion.affine.positions(view, shape);
            match self.fill {
                Fill::Edge => resample::<true>(image, shape, positions, out),
                Fill::Black => resample::<false>(image, shape, positions, out),
            }
        }
        if let Some(patch) = distortion.patch {
            patch.erase(shape, out);
        }
    }

    fn draw(&self, rng: &mut Xoshiro256PlusPlus, shape: Shape) -> Distortion {
        let mut within = |range: f32| (2.0 * rng.random::<f32>() - 1.0) * range;
        let affine = Affine {
            shift: [within(self.shift), within(self.shift)],
            rotate: within(self.rotate),
            scale: 1.0 + within(self.scale),
            shear: within(self.shear),
            flip: within(1.0) < 0.0 && self.flip,
        };
        let side = (self.erase * shape.height.min(shape.width) as f32).round() as usize;
        let erased = within(1.0) < 0.0 && side > 0;
        let mut place =
            |places: usize| ((rng.random::<f32>() * places as f32) as usize).min(places - 1);
        let [top, left] = [shape.height, shape.width].map(|size| place(size - side + 1));
        Distortion { affine, patch: erased.then_some(Patch { side, top, left }) }
    }
}

/// What is done to one image.
struct Distortion {
    affine: Affine,
    patch: Option<Patch>,
}

impl Distortion {
    const NONE: Distortion = Distortion { affine: Affine::NONE, patch: None };
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Affine {
    /// Right and down, in pixels.
    shift: [f32; 2],
    /// Degrees counter-clockwise.
    rotate: f32,
    scale: f32,
    /// Degrees; above 0, what is further down moves right.
    shear: f32,
    flip: bool,
}

type Matrix = [[f64; 2]; 2];

fn product(a: Matrix, b: Matrix) -> Matrix {
    let entry = |i: usize, j: usize| a[i][0] * b[0][j] + a[i][1] * b[1][j];
    [[entry(0, 0), entry(0, 1)], [entry(1, 0), entry(1, 1)]]
}

impl Affine {
    const NONE: Affine =
        Affine { shift: [0.0; 2], rotate: 0.0, scale: 1.0, shear: 0.0, flip: false };

    /// Where each pixel of the distorted image comes from: the inverse of each
    /// part, the last one first, applied to the position from the centre. `x`
    /// points right and `y` down.
    fn positions(&self, view: View, shape: Shape) -> Positions {
        let (sin, cos) = f64::from(self.rotate).to_radians().sin_cos();
        let tan = f64::from(self.shear).to_radians().tan();
        let zoom = 1.0 / f64::from(self.scale);
        let mut matrix = [[cos, -sin], [sin, cos]];
        matrix = product([[zoom, -zoom * tan], [0.0, zoom]], matrix);
        let slant = f64::from(view.slant).to_radians().tan();
        matrix = product([[1.0, -slant], [0.0, 1.0]], matrix);
        for _ in 0..view.turns {
            matrix = product([[0.0, -1.0], [1.0, 0.0]], matrix);
        }
        if self.flip != view.mirror {
            matrix = product([[-1.0, 0.0], [0.0, 1.0]], matrix);
        }
        let centre = [shape.width, shape.height].map(|size| (size as f64 - 1.0) / 2.0);
        let from = [0, 1].map(|i| centre[i] + f64::from(self.shift[i]));
        let origin = [0, 1].map(|i| centre[i] - matrix[i][0] * from[0] - matrix[i][1] * from[1]);
        let fixed = |pixels: f64| (pixels * ONE).round() as i64;
        Positions {
            origin: origin.map(fixed),
            right: [0, 1].map(|i| fixed(matrix[i][0])),
            down: [0, 1].map(|i| fixed(matrix[i][1])),
        }
    }
}

/// Positions in the source image, `[x, y]`, with 32 bits after the point:
/// `origin + x * right + y * down`. Integers are exact where the distortion is,
/// and the pixel to the left is a shift away.
#[derive(Clone, Copy, Debug)]
struct Positions {
    origin: [i64; 2],
    right: [i64; 2],
    down: [i64; 2],
}

const POINT: u32 = 32;
const ONE: f64 = (1u64 << POINT) as f64;

/// The network's input for each value of a pixel.
static INPUT: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|pixel| normalize_pixel(pixel as u8)));

/// Writes the source at all positions, interpolated between four pixels.
fn resample<const EDGE: bool>(
    image: &[u8],
    shape: Shape,
    Positions { mut origin, right, down }: Positions,
    out: &mut [f32],
) {
    let input: &[f32; 256] = &INPUT;
    let Shape { height, width, channels } = shape;
    let row = width * channels;
    let (last_x, last_y) = (width as i64 - 1, height as i64 - 1);
    for line in out.chunks_exact_mut(row) {
        let [mut at_x, mut at_y] = origin;
        for pixel in line.chunks_exact_mut(channels) {
            let (x, y) = (at_x >> POINT, at_y >> POINT);
            let (part_x, part_y) = (fraction(at_x), fraction(at_y));
            let inside = (0..last_x).contains(&x) && (0..last_y).contains(&y);
            let first = y * row as i64 + x * channels as i64;
            for (c, value) in pixel.iter_mut().enumerate() {
                let taps = if inside {
                    let i = first as usize + c;
                    [image[i], image[i + channels], image[i + row], image[i + row + channels]]
                } else {
                    let tap = |x: i64, y: i64| {
                        let (near_x, near_y) = (x.clamp(0, last_x), y.clamp(0, last_y));
                        if EDGE || (near_x == x && near_y == y) {
                            image[near_y as usize * row + near_x as usize * channels + c]
                        } else {
                            0
                        }
                    };
                    [tap(x, y), tap(x + 1, y), tap(x, y + 1), tap(x + 1, y + 1)]
                };
                let [a, b, c, d] = taps.map(|pixel| input[usize::from(pixel)]);
                let above = a + (b - a) * part_x;
                let below = c + (d - c) * part_x;
                *value = (above + (below - above) * part_y).clamp(-1.0, 1.0);
            }
            at_x += right[0];
            at_y += right[1];
        }
        origin[0] += down[0];
        origin[1] += down[1];
    }
}

/// How far a position is from the pixel before it, in 0..1.
fn fraction(position: i64) -> f32 {
    // 24 bits, which f32 holds exactly: all 32 could round up to 1.
    ((position as u32) >> 8) as f32 / (1 << 24) as f32
}

/// A square that is erased.
#[derive(Clone, Copy, Debug)]
struct Patch {
    side: usize,
    top: usize,
    left: usize,
}

impl Patch {
    fn erase(self, shape: Shape, out: &mut [f32]) {
        let rows = out.chunks_exact_mut(shape.width * shape.channels);
        for row in rows.skip(self.top).take(self.side) {
            row[self.left * shape.channels..][..self.side * shape.channels].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests;
