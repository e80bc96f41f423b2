//! The training loop, its checkpoints and its diagnostics.
//!
//! A run is a function of its [`Settings`] and its data: every random number
//! is drawn from the seed, and an epoch's batches from the seed and the
//! epoch's number. So a run that goes on from a [`Checkpoint`] ends with the
//! bytes of one that was never interrupted, on any number of threads.

mod awake;
mod batch;
mod checkpoint;
mod chunks;
mod diagnostics;
mod error;
mod history;
mod objective;
mod option_values;
mod options;
mod recipe;
mod settings;
mod teachers;
mod terms;
#[cfg(test)]
mod tests;
mod training;
mod views;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use diagnostics::{EpochStats, PairMeans, Warning};
pub use error::TrainError;
pub use history::{History, HistoryError};
pub use objective::{Classifier, Head, Objective, PairLoss, PairTerm, Similarity};
pub use option_values::{Batches, LossName, OptimizerName, Teacher};
pub use options::{Options, OptionsError};
pub use recipe::Recipe;
pub use settings::Settings;
pub use training::{StepStats, Training};
pub use views::Views;
