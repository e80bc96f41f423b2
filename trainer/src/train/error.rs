//! Why a run cannot start or go on.

use crate::data::SamplerError;

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting is out of its range.
    #[error("{rule}, not {found}")]
    Setting {
        /// What must hold.
        rule: &'static str,
        /// The value that does not.
        found: String,
    },
    /// The data cannot be cut into the batches asked for.
    #[error(transparent)]
    Batches(#[from] SamplerError),
    /// The images are not of the network's input shape.
    #[error(
        "the images are {found} (height x width x channels), the network's input is {expected}"
    )]
    Shape {
        /// The images' shape.
        found: String,
        /// The network's.
        expected: String,
    },
    /// The parameters to start from are of another network.
    #[error(
        "the model to start from has another network: give the --widths and --grid that it was \
         trained with, and images of its size"
    )]
    WarmStart,
    /// A model that teaches takes other images.
    #[error("a teacher takes images of another size than the network: give models of its input")]
    TeacherShape,
    /// The data has more classes than the classifier.
    #[error("the data has a label {label}, the network's classifier only {classes} classes")]
    Classes {
        /// The largest label.
        label: u16,
        /// Classes of the network.
        classes: usize,
    },
    /// No class has two images, or there is only one class.
    #[error(
        "the data has no triplet: a loss on pairs needs two classes, and two images of one of them"
    )]
    NoTripletInData,
    /// A full batch without two images of a class and one of another.
    #[error(
        "batch {batch} of epoch {epoch} has no triplet: it needs two images of one class and one \
         of another; raise --batch-size, or put classes together with --batches 10x6"
    )]
    NoTriplet {
        /// Counted from 1.
        epoch: u32,
        /// Counted from 1.
        batch: usize,
    },
    /// The loss or a weight is NaN or infinite.
    #[error(
        "the {what} became {value} in batch {batch} of epoch {epoch}: training diverged; \
         lower --lr (it is {lr})"
    )]
    NotFinite {
        /// `loss` or `gradient`.
        what: &'static str,
        /// The value.
        value: f64,
        /// Counted from 1.
        epoch: u32,
        /// Counted from 1.
        batch: usize,
        /// The learning rate.
        lr: f32,
    },
}
