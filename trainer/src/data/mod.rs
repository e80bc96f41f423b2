//! Labelled images: where they come from and in which order training sees them.
//!
//! - [`Source`]: what `--data` names; loads a [`Dataset`] of one [`Split`]
//! - [`idx`]: the file format of MNIST and its relatives
//! - [`mnist`]: the data set that is compiled into the program
//! - [`folder`]: pictures in one folder a class
//! - [`image_file`]: one picture, as a network's input
//! - [`Sampler`]: batches, shuffled or P classes x K images
//! - [`Augmentation`]: random distortions of training images

mod augment;
mod dataset;
mod error;
pub mod folder;
pub mod idx;
pub mod image_file;
mod labelled;
pub mod mnist;
pub(crate) mod resample;
mod sampler;
mod source;
mod validation;

pub use augment::{Augmentation, Fill, View};
pub use dataset::Dataset;
pub use error::DataError;
pub use folder::{FolderError, TestFraction};
pub use image_file::ImageFileError;
pub use sampler::{Batches, Sampler, SamplerError};
pub use source::{LoadOptions, Loaded, Source, Split};
