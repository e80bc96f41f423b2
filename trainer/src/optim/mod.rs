//! Optimisers and learning-rate schedules.

mod average;
mod optimizer;
mod schedule;

pub use average::Average;
pub use optimizer::{Optimizer, OptimizerKind};
pub use schedule::Schedule;
