//! A set of labelled images in memory.

use lookalike::Shape;

/// Labelled images of one size.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Height, width and channels of every image.
    pub shape: Shape,
    /// The pixels of all images, one after another, each channels-last.
    pub pixels: Vec<u8>,
    /// The class of each image, an index into `class_names`.
    pub labels: Vec<u16>,
    /// A name for each class.
    pub class_names: Vec<String>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of image `index`.
    ///
    /// # Panics
    /// When `index` is not below [`Dataset::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let len = self.shape.len();
        &self.pixels[index * len..(index + 1) * len]
    }
}
