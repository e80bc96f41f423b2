//! Labelled images and where they come from.

mod dataset;

pub use dataset::Dataset;
