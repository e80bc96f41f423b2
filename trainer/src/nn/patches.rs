//! Where the 3x3 patches of a convolution lie in a chunk's channels-last input.

use lookalike::Shape;

/// The starts of patches, or of the pooling windows that they form.
#[derive(Clone, Debug)]
pub(super) struct Patches {
    /// One image; channels as stored.
    pub input: Shape,
    starts: Vec<usize>,
    per_image: usize,
}

impl Patches {
    /// For each of `images`, `rows` x `columns` places that are `stride` pixels apart.
    pub fn new(
        input: Shape,
        (rows, columns): (usize, usize),
        stride: usize,
        images: usize,
    ) -> Patches {
        let place =
            |image, y, x| image * input.len() + stride * (y * input.width + x) * input.channels;
        let starts = (0..images)
            .flat_map(|image| (0..rows).map(move |y| (image, y)))
            .flat_map(|(image, y)| (0..columns).map(move |x| place(image, y, x)))
            .collect();
        Patches { input, starts, per_image: rows * columns }
    }

    /// Places in one image.
    pub fn per_image(&self) -> usize {
        self.per_image
    }

    /// The starts in the first `images`.
    pub fn of(&self, images: usize) -> &[usize] {
        &self.starts[..images * self.per_image]
    }

    /// Values of one row of the input.
    pub fn row(&self) -> usize {
        self.input.width * self.input.channels
    }

    /// Values of one kernel row: three pixels, contiguous in the input.
    pub fn run(&self) -> usize {
        3 * self.input.channels
    }
}
