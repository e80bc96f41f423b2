//! The network family and its shape arithmetic.
//!
//! A [`Network`] can only be made through a check of its dimensions, so every
//! product computed from one fits a 32-bit `usize`. All arithmetic is
//! `const`: firmware sizes its static buffers with it at compile time.

use serde::{Deserialize, Serialize};

/// Height, width and channels of an image or of an activation map, stored
/// channels-last: the element (y, x, c) is at `(y * width + x) * channels + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values per pixel.
    pub channels: usize,
}

impl Shape {
    /// Number of values: height x width x channels.
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there is no value at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// After a 3x3 convolution without padding.
    const fn convolved(self, channels: usize) -> Shape {
        Shape { height: self.height - 2, width: self.width - 2, channels }
    }

    /// After 2x2 max-pooling with stride 2; an odd last row or column is dropped.
    const fn pooled(self) -> Shape {
        Shape { height: self.height / 2, width: self.width / 2, channels: self.channels }
    }
}

/// Why a set of dimensions is not a member of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NetworkError {
    /// The input has no channel, or more than [`Network::MAX_CHANNELS`].
    Channels,
    /// The input's height or width is too small to leave one pixel before the
    /// pooling grid, or above [`Network::MAX_SIDE`].
    Side,
    /// A convolution has no output channel, or more than [`Network::MAX_WIDTH`].
    Width,
    /// The pooling grid is 0 or above [`Network::MAX_GRID`].
    Grid,
    /// More classes than [`Network::MAX_CLASSES`].
    Classes,
}

impl core::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            NetworkError::Channels => "the input must have 1 to 16 channels",
            NetworkError::Side => "the input must be 18 to 1024 pixels high and wide",
            NetworkError::Width => "each convolution must have 1 to 512 output channels",
            NetworkError::Grid => "the pooling grid must be 1 to 8",
            NetworkError::Classes => "there can be at most 4096 classes",
        })
    }
}

impl core::error::Error for NetworkError {}

/// The dimensions of one network of the family, checked.
///
/// In PyTorch's terms, with input `c x h x w`, widths `[a, b, d]`, grid `g`
/// and `k` classes:
///
/// ```text
/// Conv2d(c, a, 3) - ReLU - MaxPool2d(2, 2)
/// Conv2d(a, b, 3) - ReLU - MaxPool2d(2, 2)
/// Conv2d(b, d, 3) - ReLU - AdaptiveAvgPool2d((g, g)) - Flatten - Linear(d * g * g, k)
/// ```
///
/// The embedding is the flattened vector divided by its L2 norm; the
/// classifier is left out when `k` is 0.
///
/// ```
/// use lookalike::Network;
/// let network = Network::new([1, 28, 28], [32, 32, 64], 2, 10)?;
/// assert_eq!(network, Network::REFERENCE);
/// assert_eq!(network.parameters(), 30_634);
/// assert_eq!(network.embedding_len(), 256);
/// # Ok::<(), lookalike::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Dimensions", into = "Dimensions")]
pub struct Network(Dimensions);

/// The numbers as a file holds them, before the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dimensions {
    /// Channels, height, width.
    input: [u16; 3],
    widths: [u16; 3],
    grid: u16,
    classes: u16,
}

impl From<Network> for Dimensions {
    fn from(network: Network) -> Self {
        network.0
    }
}

impl TryFrom<Dimensions> for Network {
    type Error = NetworkError;

    fn try_from(d: Dimensions) -> Result<Self, NetworkError> {
        Network::new(d.input, d.widths, d.grid, d.classes)
    }
}

impl Network {
    /// The reference network of the project: 28x28 grey images, 30,634 parameters.
    pub const REFERENCE: Network =
        Network(Dimensions { input: [1, 28, 28], widths: [32, 32, 64], grid: 2, classes: 10 });

    /// Most input channels.
    pub const MAX_CHANNELS: u16 = 16;
    /// Smallest input height and width: it leaves one pixel after the third convolution.
    pub const MIN_SIDE: u16 = 18;
    /// Largest input height and width.
    pub const MAX_SIDE: u16 = 1024;
    /// Most output channels of a convolution.
    pub const MAX_WIDTH: u16 = 512;
    /// Largest pooling grid.
    pub const MAX_GRID: u16 = 8;
    /// Most classes.
    pub const MAX_CLASSES: u16 = 4096;

    /// Checks the dimensions: `input` is channels, height, width; `widths` are
    /// the output channels of the three convolutions; `grid` is the side of
    /// the average-pooling grid; `classes` is 0 for a network without a
    /// classifier.
    ///
    /// # Errors
    /// Names the first dimension that is out of range.
    pub const fn new(
        input: [u16; 3],
        widths: [u16; 3],
        grid: u16,
        classes: u16,
    ) -> Result<Network, NetworkError> {
        let [channels, height, width] = input;
        let [a, b, d] = widths;
        if channels == 0 || channels > Self::MAX_CHANNELS {
            return Err(NetworkError::Channels);
        }
        if height < Self::MIN_SIDE || height > Self::MAX_SIDE {
            return Err(NetworkError::Side);
        }
        if width < Self::MIN_SIDE || width > Self::MAX_SIDE {
            return Err(NetworkError::Side);
        }
        if a == 0 || b == 0 || d == 0 {
            return Err(NetworkError::Width);
        }
        if a > Self::MAX_WIDTH || b > Self::MAX_WIDTH || d > Self::MAX_WIDTH {
            return Err(NetworkError::Width);
        }
        if grid == 0 || grid > Self::MAX_GRID {
            return Err(NetworkError::Grid);
        }
        if classes > Self::MAX_CLASSES {
            return Err(NetworkError::Classes);
        }
        Ok(Network(Dimensions { input, widths, grid, classes }))
    }

    /// The same network with another number of classes (0: no classifier).
    ///
    /// # Errors
    /// [`NetworkError::Classes`] above [`Network::MAX_CLASSES`].
    pub const fn with_classes(self, classes: u16) -> Result<Network, NetworkError> {
        Network::new(self.0.input, self.0.widths, self.0.grid, classes)
    }

    /// The same network without its classifier.
    pub const fn without_classifier(self) -> Network {
        Network(Dimensions { classes: 0, ..self.0 })
    }

    /// The input image.
    pub const fn input(&self) -> Shape {
        let [channels, height, width] = self.0.input;
        Shape { height: height as usize, width: width as usize, channels: channels as usize }
    }

    /// Output channels of the three convolutions.
    pub const fn widths(&self) -> [usize; 3] {
        let [a, b, d] = self.0.widths;
        [a as usize, b as usize, d as usize]
    }

    /// Side of the average-pooling grid.
    pub const fn grid(&self) -> usize {
        self.0.grid as usize
    }

    /// Number of classes of the classifier, 0 without one.
    pub const fn classes(&self) -> usize {
        self.0.classes as usize
    }

    /// Output of the first convolution, before pooling.
    pub const fn conv1(&self) -> Shape {
        self.input().convolved(self.0.widths[0] as usize)
    }

    /// Output of the first pooling.
    pub const fn pool1(&self) -> Shape {
        self.conv1().pooled()
    }

    /// Output of the second convolution, before pooling.
    pub const fn conv2(&self) -> Shape {
        self.pool1().convolved(self.0.widths[1] as usize)
    }

    /// Output of the second pooling.
    pub const fn pool2(&self) -> Shape {
        self.conv2().pooled()
    }

    /// Output of the third convolution.
    pub const fn conv3(&self) -> Shape {
        self.pool2().convolved(self.0.widths[2] as usize)
    }

    /// Dimensions of the embedding: the third width times the grid's cells.
    pub const fn embedding_len(&self) -> usize {
        self.0.widths[2] as usize * self.grid() * self.grid()
    }

    /// The parameters as named tensors, in the order and the layouts of a
    /// PyTorch `Sequential`'s state dict; the last two are empty without a
    /// classifier.
    pub const fn tensors(&self) -> [Tensor; 8] {
        let c = self.input().channels;
        let [a, b, d] = self.widths();
        let [e, k] = [self.embedding_len(), self.classes()];
        let mut tensors = [
            Tensor::new("0.weight", [a, c, 3, 3], 4),
            Tensor::new("0.bias", [a, 1, 1, 1], 1),
            Tensor::new("3.weight", [b, a, 3, 3], 4),
            Tensor::new("3.bias", [b, 1, 1, 1], 1),
            Tensor::new("6.weight", [d, b, 3, 3], 4),
            Tensor::new("6.bias", [d, 1, 1, 1], 1),
            Tensor::new("10.weight", [k, e, 1, 1], 2),
            Tensor::new("10.bias", [k, 1, 1, 1], 1),
        ];
        let mut i = 1;
        while i < tensors.len() {
            tensors[i].offset = tensors[i - 1].offset + tensors[i - 1].len();
            i += 1;
        }
        tensors
    }

    /// Number of parameters, the classifier's included.
    pub const fn parameters(&self) -> usize {
        let [.., last] = self.tensors();
        last.offset + last.len()
    }

    /// Multiply-accumulates of one forward pass by direct convolution: three
    /// convolutions, then the classifier. Rows and columns that pooling drops
    /// are counted, as is usual.
    pub const fn multiply_accumulates(&self) -> [u64; 4] {
        const fn conv(output: Shape, inputs: usize) -> u64 {
            output.len() as u64 * 9 * inputs as u64
        }
        let [a, b, _] = self.widths();
        [
            conv(self.conv1(), self.input().channels),
            conv(self.conv2(), a),
            conv(self.conv3(), b),
            self.embedding_len() as u64 * self.classes() as u64,
        ]
    }

    /// The rows (or columns) that cell `index` of the average-pooling grid
    /// covers along an axis of `size`: from floor(i s / g) to ceil((i + 1) s / g),
    /// as PyTorch's `AdaptiveAvgPool2d`. Windows overlap when the grid does not
    /// divide the size.
    pub const fn grid_window(&self, index: usize, size: usize) -> core::ops::Range<usize> {
        let grid = self.grid();
        // A checked network's grid is never 0; `max` tells the compiler so.
        let g = if grid == 0 { 1 } else { grid };
        index * size / g..((index + 1) * size).div_ceil(g)
    }

    /// The cells of the average-pooling grid that cover row (or column)
    /// `index` of an axis of `size`: the inverse of [`Network::grid_window`],
    /// and the same formula with grid and size exchanged.
    pub(crate) const fn grid_cells(&self, index: usize, size: usize) -> core::ops::Range<usize> {
        let s = if size == 0 { 1 } else { size };
        index * self.grid() / s..((index + 1) * self.grid()).div_ceil(s)
    }
}

/// One parameter tensor: its PyTorch name, its shape, and where it lies in the
/// flat vector of all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name in PyTorch's state dict, for example `0.weight`.
    pub name: &'static str,
    /// Index of the first value in the flat vector.
    pub offset: usize,
    dimensions: [usize; 4],
    rank: usize,
}

impl Tensor {
    const fn new(name: &'static str, dimensions: [usize; 4], rank: usize) -> Tensor {
        Tensor { name, offset: 0, dimensions, rank }
    }

    /// Dimensions in PyTorch's order: `[out, in, 3, 3]`, `[out, in]` or `[out]`.
    pub fn shape(&self) -> &[usize] {
        self.dimensions.get(..self.rank).unwrap_or_default()
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        let [a, b, c, d] = self.dimensions;
        a * b * c * d
    }

    /// Whether the tensor has no value: a classifier's without classes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat vector of parameters.
    pub const fn range(&self) -> core::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_shapes() {
        let n = Network::REFERENCE;
        let sides = [n.conv1(), n.pool1(), n.conv2(), n.pool2(), n.conv3()].map(|s| s.height);
        assert_eq!(sides, [26, 13, 11, 5, 3]);
        assert_eq!(n.parameters(), 30_634);
        assert_eq!(n.multiply_accumulates().iter().sum::<u64>(), 1_478_272);
        assert_eq!([n.grid_window(0, 3), n.grid_window(1, 3)], [0..2, 1..3]);
    }

    #[test]
    fn cells_are_the_inverse_of_windows() {
        for grid in 1..=Network::MAX_GRID {
            let n = Network::new([1, 28, 28], [1; 3], grid, 0).unwrap();
            for size in 1..40 {
                for index in 0..size {
                    let covers = |&cell: &usize| n.grid_window(cell, size).contains(&index);
                    assert!(n.grid_cells(index, size).eq((0..n.grid()).filter(covers)));
                }
            }
        }
    }

    #[test]
    fn smallest_and_largest_are_accepted() {
        let smallest = Network::new([1, 18, 18], [1, 1, 1], 1, 0).unwrap();
        assert_eq!(smallest.conv3(), Shape { height: 1, width: 1, channels: 1 });
        let largest = Network::new([16, 1024, 1024], [512; 3], 8, 4096).unwrap();
        // The largest product of the family: the classifier's weights.
        assert!(largest.parameters() < (i32::MAX / 4) as usize);
    }

    #[test]
    fn each_dimension_is_checked() {
        let cases = [
            (Network::new([0, 28, 28], [1; 3], 1, 0), NetworkError::Channels),
            (Network::new([17, 28, 28], [1; 3], 1, 0), NetworkError::Channels),
            (Network::new([1, 17, 28], [1; 3], 1, 0), NetworkError::Side),
            (Network::new([1, 28, 1025], [1; 3], 1, 0), NetworkError::Side),
            (Network::new([1, 28, 28], [1, 0, 1], 1, 0), NetworkError::Width),
            (Network::new([1, 28, 28], [1, 1, 513], 1, 0), NetworkError::Width),
            (Network::new([1, 28, 28], [1; 3], 0, 0), NetworkError::Grid),
            (Network::new([1, 28, 28], [1; 3], 9, 0), NetworkError::Grid),
            (Network::new([1, 28, 28], [1; 3], 1, 4097), NetworkError::Classes),
        ];
        for (result, error) in cases {
            assert_eq!(result, Err(error));
        }
    }
}
