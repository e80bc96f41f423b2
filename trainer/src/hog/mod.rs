//! Histograms of oriented gradients: what can be compared of images without
//! having learned anything.

mod whitening;

use std::f32::consts::TAU;
use std::ops::Range;

use lookalike::Shape;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::data::Dataset;

pub use whitening::Whitening;

/// Cells on each side of an image.
const CELLS: usize = 5;
/// Directions, over the full circle: an edge from dark to bright is not one
/// from bright to dark.
const ORIENTATIONS: usize = 8;

/// Describes images of one shape (Dalal and Triggs, "Histograms of Oriented
/// Gradients for Human Detection", CVPR 2005, sections 6.2 to 6.4): the
/// gradient's magnitude is summed up by direction in each of 5 x 5 cells, and
/// shared linearly with the neighbouring cells and directions. One block, the
/// whole image, is normalised as their L1-sqrt.
#[derive(Clone, Debug)]
pub struct Hog {
    shape: Shape,
    /// Of each row and column of pixels.
    rows: Vec<[Share; 2]>,
    columns: Vec<[Share; 2]>,
}

/// A cell or direction, and how much of a pixel it gets.
type Share = (usize, f32);

impl Hog {
    /// Values of a descriptor.
    pub const LEN: usize = CELLS * CELLS * ORIENTATIONS;

    /// For images of `shape`.
    pub fn new(shape: Shape) -> Hog {
        let shares = |len: usize| (0..len).map(|i| cells(i, len)).collect();
        Hog { shape, rows: shares(shape.height), columns: shares(shape.width) }
    }

    /// Overwrites `to` `[Hog::LEN]` with the descriptor of `image`, height x width
    /// x channels on any scale: 0 and above, of L2 norm 1, or all 0 where the
    /// image has no edge. Where channels differ, the steepest counts.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn describe(&self, image: &[f32], to: &mut [f32]) {
        let Shape { height, width, channels } = self.shape;
        assert!(image.len() == self.shape.len() && to.len() == Hog::LEN, "another shape");
        to.fill(0.0);
        // What lies outside is not known: the outermost pixels have no gradient.
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let at = |y: usize, x: usize, c: usize| image[(y * width + x) * channels + c];
                let gradient = |c| {
                    let [dx, dy] =
                        [at(y, x + 1, c) - at(y, x - 1, c), at(y + 1, x, c) - at(y - 1, x, c)];
                    (dx * dx + dy * dy, dx, dy)
                };
                let steepest = (0..channels)
                    .map(gradient)
                    .fold((0.0, 0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
                if steepest.0 > 0.0 {
                    self.add(y, x, steepest, to);
                }
            }
        }
        let sum: f32 = to.iter().sum();
        if sum > 0.0 {
            to.iter_mut().for_each(|value| *value = (*value / sum).sqrt());
        }
    }

    /// Descriptors of some images of a data set, `[N, Hog::LEN]`.
    ///
    /// # Panics
    /// When the images have another shape, or there are not as many.
    pub fn describe_all(&self, data: &Dataset, images: Range<usize>) -> Array2<f32> {
        let mut rows = Array2::zeros((images.len(), Hog::LEN));
        rows.axis_iter_mut(Axis(0)).into_par_iter().zip(images).for_each(|(mut row, i)| {
            let image: Vec<f32> = data.image(i).iter().map(|&pixel| f32::from(pixel)).collect();
            self.describe(&image, row.as_slice_mut().expect("rows lie whole in memory"));
        });
        rows
    }

    fn add(&self, y: usize, x: usize, (square, dx, dy): (f32, f32, f32), to: &mut [f32]) {
        let magnitude = square.sqrt();
        let directions = directions(dx, dy);
        for (row, of_row) in self.rows[y] {
            for (column, of_column) in self.columns[x] {
                let histogram = &mut to[(row * CELLS + column) * ORIENTATIONS..][..ORIENTATIONS];
                for (direction, share) in directions {
                    histogram[direction] += magnitude * of_row * of_column * share;
                }
            }
        }
    }
}

/// The cells whose centres pixel `i` of `len` lies between; what would go
/// beyond the outermost one is lost.
fn cells(i: usize, len: usize) -> [Share; 2] {
    let place = (i as f32 + 0.5) * CELLS as f32 / len as f32 - 0.5;
    let first = place.floor();
    let share = place - first;
    let of = |cell: f32, share| match cell {
        cell if (0.0..CELLS as f32).contains(&cell) => (cell as usize, share),
        _ => (0, 0.0),
    };
    [of(first, 1.0 - share), of(first + 1.0, share)]
}

/// The directions that a gradient lies between.
fn directions(dx: f32, dy: f32) -> [Share; 2] {
    let place = (dy.atan2(dx) / TAU).rem_euclid(1.0) * ORIENTATIONS as f32;
    let first = place.floor();
    let share = place - first;
    [(first as usize % ORIENTATIONS, 1.0 - share), ((first as usize + 1) % ORIENTATIONS, share)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::RngExt;

    const SHAPE: Shape = Shape { height: 28, width: 26, channels: 1 };

    fn describe(shape: Shape, value: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
        let Shape { height, width, channels } = shape;
        let image: Vec<f32> = (0..height * width * channels)
            .map(|i| value(i / channels / width, i / channels % width, i % channels))
            .collect();
        let mut to = vec![f32::NAN; Hog::LEN];
        Hog::new(shape).describe(&image, &mut to);
        to
    }

    /// Share of the squared descriptor in each direction.
    fn by_direction(descriptor: &[f32]) -> Vec<f32> {
        let of = |direction: usize| descriptor.iter().skip(direction).step_by(ORIENTATIONS);
        (0..ORIENTATIONS).map(|direction| of(direction).map(|value| value * value).sum()).collect()
    }

    fn near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn an_edge_is_counted_in_its_direction() {
        let right = describe(SHAPE, |_, x, _| x as f32);
        near(&by_direction(&right), &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let up = describe(SHAPE, |y, _, _| -(y as f32));
        near(&by_direction(&up), &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        // Halfway between two directions, both get half.
        let (sin, cos) = (TAU / 16.0).sin_cos();
        let between = describe(SHAPE, |y, x, _| cos * x as f32 + sin * y as f32);
        near(&by_direction(&between), &[0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn an_edge_is_counted_where_it_is() {
        // A step between columns 12 and 13, in the middle of 26: the centre of cell 2.
        let step = describe(SHAPE, |_, x, _| if x < 13 { 0.0 } else { 1.0 });
        let of_columns: Vec<f32> = (0..CELLS)
            .map(|column| {
                let cells = (0..CELLS).map(|row| (row * CELLS + column) * ORIENTATIONS);
                cells.map(|at| step[at] * step[at]).sum()
            })
            .collect();
        // Columns 12 and 13 lie half a pixel of 5.2 from that centre.
        let beside = 0.5 / 5.2 / 2.0;
        near(&of_columns, &[0.0, beside, 1.0 - 2.0 * beside, beside, 0.0]);
    }

    #[test]
    fn brightness_and_contrast_do_not_matter() {
        let mut rng = stream(3, Purpose::Selection, 0);
        let noise: Vec<f32> = (0..SHAPE.len()).map(|_| rng.random_range(0.0..1.0)).collect();
        let value = |y: usize, x: usize| noise[y * SHAPE.width + x];
        let plain = describe(SHAPE, |y, x, _| value(y, x));
        let squares: f32 = plain.iter().map(|value| value * value).sum();
        assert!((squares - 1.0).abs() < 1e-5, "{squares}");
        near(&describe(SHAPE, |y, x, _| 7.0 * value(y, x) - 3.0), &plain);
        // Of colours the steepest counts.
        let colour = Shape { channels: 3, ..SHAPE };
        near(&describe(colour, |y, x, c| if c == 1 { value(y, x) } else { 0.2 }), &plain);
    }

    #[test]
    fn images_without_edges_and_tiny_ones_are_zero() {
        for (height, width) in [(28, 28), (1, 1), (2, 9), (0, 5)] {
            let shape = Shape { height, width, channels: 1 };
            assert_eq!(describe(shape, |_, _, _| 0.7), [0.0; Hog::LEN]);
        }
    }
}
