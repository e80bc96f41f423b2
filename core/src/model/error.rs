//! What can go wrong with a model and with an image.

use core::fmt;

use crate::{EmbeddingError, FileError};

/// Why a model cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ModelError {
    /// The bytes are not a readable file, or do not fit the buffer.
    File(FileError),
    /// The model's parameters are encoded otherwise than asked for.
    Encoding {
        /// The file's encoding; `docs/model-format.md` lists them.
        found: u8,
    },
    /// The number of parameters in the file does not fit its network.
    Body,
    /// The number of parameters given does not fit the network.
    Parameters {
        /// [`Network::parameters`](crate::Network::parameters).
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A parameter is infinite or not a number.
    NotFinite,
    /// A quantised convolution does not fit the network, or has a value out of
    /// range.
    Convolution {
        /// 1 to 3.
        layer: usize,
    },
    /// The thresholds or the projection of a quantised model's coder do not fit
    /// the network, or are out of range.
    Coder,
    /// There are class names, but not one for each class.
    ClassNames,
    /// A number of the acceptance threshold is out of its range.
    Acceptance,
    /// The self-test does not have an embedding, of finite values, for each image.
    SelfTest,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelError::File(error) => error.fmt(f),
            ModelError::Encoding { found } => {
                write!(f, "the model's parameters are in encoding {found}, which was not asked for")
            }
            ModelError::Body => {
                f.write_str("the model's number of parameters does not fit its network")
            }
            ModelError::Parameters { expected, found } => {
                write!(f, "the network has {expected} parameters, not {found}")
            }
            ModelError::NotFinite => f.write_str("a parameter is not a finite number"),
            ModelError::Convolution { layer } => {
                write!(f, "convolution {layer} has a parameter too few, too many or out of range")
            }
            ModelError::Coder => f.write_str(
                "the thresholds or the projection for smaller codes do not fit the network",
            ),
            ModelError::ClassNames => f.write_str("there must be one name for each class, or none"),
            ModelError::Acceptance => {
                f.write_str("the acceptance threshold must be 0 to 4 and its rate 0 to 1")
            }
            ModelError::SelfTest => {
                f.write_str("the self-test must have one finite embedding for each image")
            }
        }
    }
}

impl core::error::Error for ModelError {}

impl From<FileError> for ModelError {
    fn from(error: FileError) -> Self {
        ModelError::File(error)
    }
}

/// Why an image cannot be embedded or classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EmbedError {
    /// The image's number of bytes is not the network's.
    Image {
        /// Height x width x channels of the network's input.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The workspace is too small.
    Workspace {
        /// [`Model::workspace_len`](crate::Model::workspace_len).
        needed: usize,
        /// Values given.
        found: usize,
    },
    /// The model has no classifier.
    NoClassifier,
    /// The slice for the logits does not have one value for each class.
    Logits {
        /// Classes of the network.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A feature overflowed.
    NotFinite,
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmbedError::Image { expected, found } => {
                write!(f, "the network takes images of {expected} bytes, not {found}")
            }
            EmbedError::Workspace { needed, found } => {
                write!(f, "the workspace must have {needed} values, not {found}")
            }
            EmbedError::NoClassifier => f.write_str("the model has no classifier"),
            EmbedError::Logits { expected, found } => {
                write!(f, "the model has {expected} classes, but there is room for {found} logits")
            }
            EmbedError::NotFinite => f.write_str("the network's output is not finite"),
        }
    }
}

impl core::error::Error for EmbedError {}

impl From<EmbeddingError> for EmbedError {
    fn from(_: EmbeddingError) -> Self {
        // Normalising fails in one way only.
        EmbedError::NotFinite
    }
}
