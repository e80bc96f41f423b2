//! Why weights cannot be imported.

use std::path::PathBuf;

use lookalike::NetworkError;
use safetensors::tensor::{Dtype, SafeTensorError};

use crate::files::ReadError;

const EXPECTED: &str = "{0,3,6}.{weight,bias} and, for a classifier, 10.{weight,bias}";

/// Why a file of weights cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not a valid safetensors file.
    #[error("{}: not a valid safetensors file: {cause}; save the state dict with `safetensors.torch.save_file`", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        cause: SafeTensorError,
    },
    /// Tensors are missing or are not part of the network.
    #[error(
        "{}: the tensors are not those of the network: missing [{}], unexpected [{}]; expected {EXPECTED}, found [{}]",
        path.display(), missing.join(", "), unexpected.join(", "), found.join(", ")
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// Names that the network has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the network lacks.
        unexpected: Vec<String>,
        /// All names in the file.
        found: Vec<String>,
    },
    /// A tensor's elements are not F32.
    #[error("{}: tensor {name} is {found}, but only F32 is read; convert it with `.float()` before saving", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: Dtype,
    },
    /// A tensor has another shape than its place in the network.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected}; export the layers as the network family has them", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it must have.
        expected: String,
    },
    /// A value is infinite or not a number.
    #[error("{}: tensor {name} has the value {value} at index {index}; the training that made it diverged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Index of the value in the flattened tensor.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The dimensions are outside the network family.
    #[error("{}: not a network of the family: {cause}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// Which dimension.
        cause: NetworkError,
    },
    /// Without a classifier nothing tells the pooling grid.
    #[error("{}: without a classifier (10.weight) the file does not tell the pooling grid; give it explicitly", path.display())]
    UnknownGrid {
        /// The file.
        path: PathBuf,
    },
    /// The classifier's columns contradict the grid asked for.
    #[error("{}: the classifier was made for a pooling grid of {found}, not {asked}; leave the grid out", path.display())]
    GridMismatch {
        /// The file.
        path: PathBuf,
        /// The grid that the classifier tells.
        found: u16,
        /// The grid that was asked for.
        asked: u16,
    },
}
